"""Temporary folders named after their process, and what killed processes left of them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from pleura.write.signals import signals_held

_swept: set[tuple[Path, str]] = set()


@cache
def machine() -> str:
    """This machine's name, and inside a container that container's: both count processes anew."""
    name = re.sub(r"[^\w.-]", "_", platform.node())[:64]
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # not Linux
        return name
    return f"{name}.{space:x}"


def of_this_process(prefix: str) -> str:
    """A name for a temporary folder; it says the machine too, since a disk may be shared."""
    return f"{prefix}{machine()}-{os.getpid()}"


def make_temporary(parent: Path, prefix: str) -> Path:
    """Make an empty folder of this process, and remove those that killed ones left beside it.

    Raises:
        OSError: it can't be made.
    """
    place = parent.absolute(), prefix
    if place not in _swept:  # once is enough, and a folder of results may be long
        _swept.add(place)
        with suppress(OSError):
            remove_leftovers(parent, prefix)
    return Path(tempfile.mkdtemp(prefix=f"{of_this_process(prefix)}.", dir=parent))


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """An empty folder for the block, removed with what is in it; raises OSError as above."""
    folder: Path | None = None
    try:
        with signals_held():
            folder = make_temporary(parent, prefix)
        yield folder
    finally:
        if folder is not None:
            with signals_held():
                shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path, prefix: str) -> None:
    """Remove what `of_this_process` or `make_temporary` named in `folder` for dead processes.

    Another machine's processes can't be asked for, so their folders stay.
    """
    # No "-" in the last part: another machine's name may begin with ours.
    ours = re.compile(rf"{re.escape(prefix + machine())}-([0-9]+)(\.[a-z0-9_]+)?")
    with os.scandir(folder) as entries:
        found = [(entry.path, ours.fullmatch(entry.name)) for entry in entries]
    for path, match in found:
        if match and not _is_running(int(match[1])):
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
