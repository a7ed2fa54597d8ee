"""Is a MetaImage whole? ITK reads one with a damaged compressed stream without an error, and says
what a short one lacks on the process's standard error only."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.errors import UnreadableError

_MOST_HEADER = 1 << 20
_BYTES = {
    "CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4,
    "LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_MOST_PACKING = 1100  # deflate never gets beyond 1032 times
_GZIP = b"\x1f\x8b"
_AGAIN = "copy or convert the scan again"


@dataclass(frozen=True)
class DataFile:
    """Where the voxels of a MetaImage lie.

    Args:
        path: the header's own file (.mha) or another beside it (.mhd).
        start: where they begin in it.
        compressed: bytes of their zlib or gzip stream; 0 when they are plain, or it isn't told.
        voxels: bytes of them, uncompressed.
        big_endian: their byte order.
    """

    path: Path
    start: int
    compressed: int
    voxels: int
    big_endian: bool


def data_file(path: Path) -> DataFile | None:
    """Find the voxels and check that there are enough bytes of them.

    Returns:
        None where they are text or spread over several files, which is left to ITK.

    Raises:
        UnreadableError: a header without the necessary fields, a missing or a short data file.
    """
    fields, length = _header(path)
    name = fields["ElementDataFile"]
    if name.startswith("LIST") or "%" in name or not _true(fields.get("BinaryData", "True")):
        return None
    local = name == "LOCAL"
    data = path if local else path.parent / name
    if not data.is_file():
        raise UnreadableError(f"{path} names its data file '{name}', which is missing; {_AGAIN}.")
    size = data.stat().st_size
    start = length if local else 0
    packed = _true(fields.get("CompressedData", "False"))
    try:
        voxels = _voxel_bytes(fields)
        needed = int(fields.get("CompressedDataSize", 0)) if packed else voxels
        if not packed:
            skip = int(fields.get("HeaderSize", 0))
            start = size - needed if skip < 0 else start + skip
    except (KeyError, ValueError) as error:
        raise UnreadableError(f"{path} has a damaged header ({error}); {_AGAIN}.") from error
    if start < 0 or size - start < max(needed, 1):
        raise UnreadableError(
            f"{path} is cut off ({max(0, size - start)} bytes of voxels instead of {needed}); "
            f"{_AGAIN}."
        )
    if packed and needed and voxels > _MOST_PACKING * needed:
        raise UnreadableError(
            f"{path} claims {voxels} bytes of voxels, which {needed} compressed bytes can't hold; "
            f"{_AGAIN}."
        )
    big_endian = _true(
        fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    )
    return DataFile(data, start, needed if packed else 0, voxels, big_endian)


def verify(data: DataFile, array: npt.NDArray[Any], path: Path) -> None:
    """Compare the voxels that ITK gave with the checksum of their compressed stream.

    Raises:
        UnreadableError: they differ, so the stream is damaged.
    """
    if not data.compressed or array.nbytes != data.voxels:
        return
    with data.path.open("rb") as stream:
        stream.seek(data.start)
        is_gzip = stream.read(2) == _GZIP
        stream.seek(data.start + data.compressed - (8 if is_gzip else 4))
        trailer = stream.read(4)
    stored = array.astype(array.dtype.newbyteorder(">" if data.big_endian else "<"), copy=False)
    buffer = np.ascontiguousarray(stored).view(np.uint8).data
    found = zlib.crc32(buffer) if is_gzip else zlib.adler32(buffer)
    if found != int.from_bytes(trailer, "little" if is_gzip else "big"):
        raise UnreadableError(f"{path} has damaged compressed voxels (checksum differs); {_AGAIN}.")


def _header(path: Path) -> tuple[Mapping[str, str], int]:
    """Fields up to ElementDataFile, which is the last, and the header's length in bytes."""
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while stream.tell() < _MOST_HEADER and (line := stream.readline(_MOST_HEADER)):
            key, equals, value = line.decode("utf-8", "surrogateescape").partition("=")
            if not equals:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                break
        length = stream.tell()
    for name in ("DimSize", "ElementType", "ElementDataFile"):
        if not fields.get(name):
            raise UnreadableError(
                f"{path} has no MetaImage header with '{name}'; it is damaged or not what its "
                f"suffix says, {_AGAIN}."
            )
    return fields, length


def _voxel_bytes(fields: Mapping[str, str]) -> int:
    kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")
    channels = int(fields.get("ElementNumberOfChannels", 1))
    count = 1
    for n in fields["DimSize"].split():
        count *= int(n)
    return count * _BYTES[kind] * channels


def _true(text: str) -> bool:
    return text[:1].upper() in ("T", "1")
