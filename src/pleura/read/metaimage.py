"""Is a MetaImage whole? ITK reads one with a damaged compressed stream without an error, and says
what a short one lacks on the process's standard error only."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.errors import UnreadableError
from pleura.read.data_files import named_files
from pleura.read.limits import MOST_DEFLATE, check_held, three_dimensions

_MOST_HEADER = 1 << 20
_BYTES = {
    "CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4,
    "LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_DIMENSIONS = ("2", "3", "4")  # ITK writes beyond its memory for more than its ten, or for -1
# ITK copies these to 255 bytes each, without a look at their length.
_SHORT, _MOST_SHORT = ("Name", "Comment", "ObjectType", "ObjectSubType"), 255
_GZIP = b"\x1f\x8b"
_AGAIN = "copy or convert the scan again"


@dataclass(frozen=True)
class DataFile:
    """Where the voxels of a MetaImage lie.

    Args:
        files: the header's own file (.mha) or others (.mhd).
        start: where they begin in the first.
        compressed: bytes of their zlib or gzip stream; 0 when they are plain, or it isn't told.
        voxels: bytes of them, uncompressed.
        big_endian: their byte order.
    """

    files: tuple[Path, ...]
    start: int
    compressed: int
    voxels: int
    big_endian: bool


def data_file(path: Path) -> DataFile:
    """Find the voxels and check that there are enough bytes of them.

    Raises:
        GeometryError: 4-D, empty or over the limits.
        UnreadableError: a header without the necessary fields, a missing or a short data file.
    """
    fields, length, lines = _header(path)
    name = fields["ElementDataFile"]
    local = name == "LOCAL"
    try:
        shape = [int(n) for n in fields["DimSize"].split()]
        three_dimensions(shape, str(path))
        voxels = _voxel_bytes(fields, shape)
        files = [path] if local else named_files(path, name, lines, shape[-1])
        size = sum(file.stat().st_size for file in files)
        packed = _true(fields.get("CompressedData", "False"))
        needed = int(fields.get("CompressedDataSize", 0)) if packed else voxels
        if not packed and not _true(fields.get("BinaryData", "True")):
            needed = 2 * math.prod(shape) - 1  # text: a digit and a space
        start = length if local else 0
        if not packed:
            skip = int(fields.get("HeaderSize", 0))
            start = size - needed if skip < 0 else start + skip
    except (KeyError, ValueError, IndexError) as error:
        raise UnreadableError(f"{path} has a damaged header ({error}); {_AGAIN}.") from error
    check_held(path, max(needed, 1), size - start if start >= 0 else 0)
    if packed:
        check_held(path, voxels, needed or size - start, MOST_DEFLATE)
    big_endian = _true(
        fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    )
    return DataFile(tuple(files), start, needed if packed else 0, voxels, big_endian)


def verify(data: DataFile, array: npt.NDArray[Any], path: Path) -> None:
    """Compare the voxels that ITK gave with the checksum of their compressed stream.

    Raises:
        UnreadableError: they differ, so the stream is damaged.
    """
    if not data.compressed or array.nbytes != data.voxels or len(data.files) > 1:
        return
    with data.files[0].open("rb") as stream:
        stream.seek(data.start)
        is_gzip = stream.read(2) == _GZIP
        stream.seek(data.start + data.compressed - (8 if is_gzip else 4))
        trailer = stream.read(4)
    stored = array.astype(array.dtype.newbyteorder(">" if data.big_endian else "<"), copy=False)
    buffer = np.ascontiguousarray(stored).view(np.uint8).data
    found = zlib.crc32(buffer) if is_gzip else zlib.adler32(buffer)
    if found != int.from_bytes(trailer, "little" if is_gzip else "big"):
        raise UnreadableError(f"{path} has damaged compressed voxels (checksum differs); {_AGAIN}.")


def _header(path: Path) -> tuple[Mapping[str, str], int, list[str]]:
    """Fields up to ElementDataFile, which is the last; the header's bytes; lines of file names."""
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while stream.tell() < _MOST_HEADER and (line := stream.readline(_MOST_HEADER)):
            key, equals, value = line.decode("utf-8", "surrogateescape").partition("=")
            if not equals:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == "NDims" and value.strip() not in _DIMENSIONS:
                reason = f"NDims is {value.strip()[:40]!a}"
                raise UnreadableError(f"{path} has a damaged header ({reason}); {_AGAIN}.")
            if key.strip() in _SHORT and len(line) > _MOST_SHORT:
                reason = f"{key.strip()} of {len(line)} bytes"
                raise UnreadableError(f"{path} has a damaged header ({reason}); {_AGAIN}.")
            if key.strip() == "ElementDataFile":
                break
        length = stream.tell()
        # A list of files is as text as the header.
        listed = fields.get("ElementDataFile", "").startswith("LIST")
        more = stream.read(_MOST_HEADER).decode("utf-8", "surrogateescape") if listed else ""
    for name in ("DimSize", "ElementType", "ElementDataFile"):
        if not fields.get(name):
            raise UnreadableError(
                f"{path} has no MetaImage header with '{name}'; it is damaged or not what its "
                f"suffix says, {_AGAIN}."
            )
    return fields, length, more.splitlines()


def _voxel_bytes(fields: Mapping[str, str], shape: Sequence[int]) -> int:
    kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")
    channels = int(fields.get("ElementNumberOfChannels", 1))
    return math.prod(shape) * _BYTES[kind] * channels


def _true(text: str) -> bool:
    return text[:1].upper() in ("T", "1")
