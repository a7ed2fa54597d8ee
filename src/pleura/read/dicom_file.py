"""Opens DICOM files for pydicom, which inflates a deflated one whole, whatever comes of it."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path

import pydicom

from pleura.errors import UnreadableError

# CT deflates 2 to 4 times. One slice of nothing is small however often it does.
_MOST_INFLATED = 20
_COUNTS_ABOVE = 256 << 20
_CHUNK = 1 << 20


class DicomStream(io.BufferedReader):
    """A file that may be read to its end at once only if it holds no deflate bomb.

    pydicom does so for a deflated data set and for nothing else.

    Raises:
        UnreadableError: from `read`, for what inflates to more than 256 MiB and 20 times its size.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb", buffering=0))
        self._path = path

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is None or size < 0:
            self._check(data)
        return data

    def _check(self, data: bytes) -> None:
        inflater, left, inflated = zlib.decompressobj(-zlib.MAX_WBITS), data, 0
        while chunk := inflater.decompress(left, _CHUNK):
            inflated += len(chunk)
            if inflated > max(_COUNTS_ABOVE, _MOST_INFLATED * len(data)):
                raise UnreadableError(
                    f"'{self._path.name}' inflates to more than {_MOST_INFLATED} times its size, "
                    "which no CT does; export the series again."
                )
            left = inflater.unconsumed_tail


def read_whole(path: Path) -> pydicom.Dataset:
    """All of a file, pixels too, as pydicom takes it; its errors pass through.

    Raises:
        UnreadableError: a deflate bomb.
    """
    with warnings.catch_warnings(), DicomStream(path) as file:
        warnings.simplefilter("ignore")
        return pydicom.dcmread(file, force=True)
