"""Paths as ITK takes them."""

from __future__ import annotations

from pathlib import Path

from pleura.errors import UnreadableError


def itk_path(path: Path) -> str:
    """A path that can be given to SimpleITK, which aborts the process over one that is no UTF-8.

    Raises:
        UnreadableError: the name holds other bytes.
    """
    if not is_utf8(path):
        raise UnreadableError(
            f"{path} has a name that is no UTF-8, which can't be opened here; rename it."
        )
    return str(path)


def is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
