"""Gzip, fast: ISA-L where there is a wheel for the machine, Python's own zlib elsewhere.

Measured on a 144 MB scan: reading 0.45 s against 0.84 s; on a 72 MB mask: writing 0.01 s against
0.4 s. Both compare the checksum when a stream has been read to its end.
"""

from __future__ import annotations

from gzip import GzipFile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

_CHUNK = 1 << 18
_LEVEL = 1  # of both; masks shrink a hundred times at any level


def open_gzip(path: Path) -> GzipFile:
    """The uncompressed bytes of a file, as a stream that can seek."""
    try:
        from isal.igzip import IGzipFile
    except ImportError:
        return GzipFile(path)

    class Chunked(IGzipFile):
        """Fills large buffers by parts that stay in the cache, which takes two thirds the time."""

        def readinto(self, buffer: Buffer) -> int:
            view, filled = memoryview(buffer).cast("B"), 0
            while filled < len(view):
                count: int = super().readinto(view[filled : filled + _CHUNK])
                if not count:
                    break
                filled += count
            return filled

    return Chunked(path)  # type: ignore[no-untyped-call]


def write_gzip(file: BinaryIO) -> GzipFile:
    """A stream that compresses into `file`; equal bytes give equal files (no time, no name)."""
    try:
        from isal.igzip import IGzipFile
    except ImportError:
        return GzipFile("", "wb", _LEVEL, file, mtime=0)
    return IGzipFile("", "wb", _LEVEL, file, mtime=0)  # type: ignore[no-untyped-call]
