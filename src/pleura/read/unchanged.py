"""Is a scan still the file, or the folder, that it was when reading began?

A scan that is still being copied or sent would otherwise give a mask of something that never was.
A stamp costs one `stat`, of a folder one listing; the voxels aren't read twice.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pleura.errors import UnreadableError


@dataclass(frozen=True)
class Stamp:
    """What tells a file, or what a folder lists, from a later state of it.

    Args:
        size: in bytes; 0 of a folder.
        modified_ns: time of the last write; 0 of a folder, which others may touch.
        inode: changes when a file is replaced by a rename.
        names: what a folder lists, links and hidden files too; () of a file.
    """

    size: int
    modified_ns: int
    inode: int
    names: frozenset[str] = frozenset()


Stamps = Mapping[Path, Stamp | None]


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file or folder, links followed; None when it can't be reached."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return Stamp(0, 0, found.st_ino, frozenset(file.name for file in path.iterdir()))
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)


def stamps_of(paths: Iterable[Path]) -> Stamps:
    """Stamps to compare with later, by path."""
    return {path: stamp_of(path) for path in paths}


def check_unchanged(scan: Path, before: Stamps) -> None:
    """Compare stamps with what is there now.

    Args:
        scan: what the user gave, for the message.
        before: of its files (and folders), taken before the first of them was opened.

    Raises:
        UnreadableError: one differs or is gone.
    """
    for path, stamp in before.items():
        if stamp_of(path) != stamp:
            raise changed(scan, path)


def changed(scan: Path, path: Path) -> UnreadableError:
    """The error over a file of a scan that isn't what it was."""
    which = "" if path == scan else f" (in it '{path.name}')"
    return UnreadableError(
        f"{scan}{which} changed while it was read; "
        "wait until it is written completely and run again."
    )


@contextmanager
def checked_after(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` behind a block that reads, even after an error in it.

    Half a file explains why it could not be read, so then what `check` raises (UnreadableError)
    takes the error's place.
    """
    try:
        yield
    except Exception as error:
        try:
            check()
        except UnreadableError as explained:
            raise explained from error
        raise
    check()


@contextmanager
def unchanged(scan: Path, *more: Path) -> Iterator[None]:
    """Check a scan's files around a block that reads them.

    Raises:
        UnreadableError: a file changed meanwhile.
    """
    before = stamps_of((scan, *more))
    with checked_after(lambda: check_unchanged(scan, before)):
        yield
