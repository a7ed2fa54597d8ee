"""Atomic output: write beside the target, flush to disk, rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pleura.errors import OutputError

_PREFIX = ".pleura-"


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target`; what was written into it is moved out at the end.

    Files keep their names (a .mhd names its .zraw); the one called like the target comes last, so
    that it never points to a file that isn't there yet. After an error nothing is left, and what
    was there before is as it was.

    Raises:
        OutputError: any OSError on the way, as one sentence.
    """
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target.parent))
        yield folder
        files = sorted(folder.iterdir(), key=lambda path: path.name == target.name)
        for file in files:
            _flush(file)
        with ExitStack() as undo:
            for file in files:
                final = target.parent / file.name
                if file is not files[-1]:
                    undo.callback(_put_back, _copy_of(final, folder), final)
                os.replace(file, final)
            undo.pop_all()
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{_shown(target)} could not be written ({reason}); free space or choose another place."
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


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


def _copy_of(path: Path, folder: Path) -> Path | None:
    if not path.exists():
        return None
    copy = folder / f"{path.name}.before"
    shutil.copy2(path, copy)
    return copy


def _put_back(copy: Path | None, path: Path) -> None:
    if copy is None:
        path.unlink(missing_ok=True)
    else:
        os.replace(copy, path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
