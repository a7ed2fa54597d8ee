"""Atomic output: write beside the target, flush to disk, rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pleura.errors import OutputError


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target`; what was written into it is moved out at the end.

    Files keep their names (a .mhd names its .zraw); the one called like the target comes last, so
    that it never points to a file that isn't there yet. After an error nothing is left.

    Raises:
        OutputError: any OSError on the way, as one sentence.
    """
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".pleura-", dir=target.parent))
        yield folder
        files = sorted(folder.iterdir(), key=lambda path: path.name == target.name)
        for file in files:
            _flush(file)
        for file in files:
            os.replace(file, target.parent / file.name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{target} could not be written ({reason}); free space or choose another place."
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def write_bytes(target: Path, data: bytes) -> None:
    """Write one file atomically; raises OutputError."""
    with staging(target) as folder:
        (folder / target.name).write_bytes(data)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
