"""Temporary folders named after their process, and what killed processes left of them."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path


def of_this_process(prefix: str) -> str:
    """A name for a temporary folder; it says the machine too, since a disk may be shared."""
    return f"{prefix}{platform.node()}-{os.getpid()}"


def remove_leftovers(folder: Path, prefix: str) -> None:
    """Remove what `of_this_process(prefix)` named in `folder` for processes that are gone.

    Another machine's processes can't be asked for, so their folders stay.
    """
    for path in folder.iterdir():
        if not path.name.startswith(prefix):
            continue
        machine, _, pid = path.name.removeprefix(prefix).rpartition("-")
        if machine == platform.node() and pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 isn't harmless
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True
