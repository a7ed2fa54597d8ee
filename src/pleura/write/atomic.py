"""Atomic output: write beside the target, flush to disk, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pleura.errors import OutputError
from pleura.write.leftovers import temporary_folder
from pleura.write.signals import signals_held

_PREFIX = ".pleura-"


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target`; what was written into it is moved out at the end.

    Files keep their names (a .mhd names its .zraw); the one called like the target comes last, so
    that it never points to a file that isn't there yet, and an old one goes first, so that it never
    points to another one's voxels. After an error nothing is left, and what was there before is as
    it was. A killed process leaves the target absent, old or whole; its hidden folder is removed
    by the next one that writes there. A link at the target is replaced, not followed: the file it
    points to stays as it was.

    Raises:
        OutputError: any OSError on the way, as one sentence.
    """
    try:
        with temporary_folder(target.parent, _PREFIX) as folder:
            yield folder
            files = sorted(folder.iterdir(), key=lambda path: path.name == target.name)
            for file in files:
                _flush(file)
            with signals_held():
                _move_out(files, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{_shown(target)} could not be written ({reason}); free space or choose another place."
        ) from error


def write_bytes(target: Path, data: bytes) -> None:
    """Write one file atomically; raises OutputError."""
    with staging(target) as folder:
        (folder / target.name).write_bytes(data)


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, with those above it, unless it is there.

    Raises:
        OutputError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} can't be made ({error.strerror}); choose another place."
        ) from error


def _shown(target: Path) -> Path:
    """What the user calls the target, which may lie in the hidden folder of another one."""
    folder = target.parent
    return folder.parent / target.name if folder.name.startswith(_PREFIX) else target


def _move_out(files: Sequence[Path], folder: Path) -> None:
    """Give files of the hidden folder their place beside it, all of them or none."""
    places = [folder.parent / file.name for file in files]
    with ExitStack() as undo:
        if len(files) > 1:  # one alone is replaced in a single step
            for place in reversed(places):
                undo.callback(_put_back, _moved_away(place, folder), place)
        for file, place in zip(files, places, strict=True):
            os.replace(file, place)
        undo.pop_all()


def _moved_away(path: Path, folder: Path) -> Path | None:
    if not os.path.lexists(path):
        return None
    return path.rename(folder / f"{path.name}.before")


def _put_back(old: Path | None, path: Path) -> None:
    path.unlink(missing_ok=True)
    if old is not None:
        old.rename(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
