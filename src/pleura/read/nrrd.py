"""Is a NRRD possible? ITK allocates what its header claims before it looks at the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from pleura.errors import UnreadableError
from pleura.read.data_files import named_files
from pleura.read.limits import MOST_DEFLATE, check_grid, check_held, three_dimensions

_MOST_HEADER = 1 << 20
_MOST_LINE = 900  # ITK repeats a wrong line in its message, for which it has 1,024 bytes
_AGAIN = "copy or convert the scan again"
_BYTES = {
    name: size
    for size, names in {
        1: "signed char,int8,int8_t,uchar,unsigned char,uint8,uint8_t",
        2: "short,short int,signed short,signed short int,int16,int16_t,"
        "ushort,unsigned short,unsigned short int,uint16,uint16_t",
        4: "int,signed int,int32,int32_t,uint,unsigned int,uint32,uint32_t,float",
        8: "longlong,long long,long long int,signed long long,signed long long int,int64,int64_t,"
        "ulonglong,unsigned long long,unsigned long long int,uint64,uint64_t,double",
    }.items()
    for name in names.split(",")
}
# Bytes in the file for one byte of voxels, and how much they may be packed.
_ENCODINGS = {
    "raw": (1, 1), "hex": (2, 1), "gz": (1, MOST_DEFLATE), "gzip": (1, MOST_DEFLATE),
}  # fmt: skip


def data_files(path: Path) -> tuple[Path, ...]:
    """Find the files with the voxels and check that there are enough bytes of them.

    Returns:
        The header's own file (.nrrd) or those it names (.nhdr).

    Raises:
        GeometryError: empty or over the limits.
        UnreadableError: no NRRD header, a field that makes no sense, a missing or short data file,
            an encoding that ITK doesn't know.
    """
    fields, length, lines = _header(path)
    try:
        shape = [int(n) for n in fields["sizes"].split()]
        itemsize = _BYTES[fields["type"].lower()]
        encoding = fields["encoding"].lower()
        skipped = int(fields.get("byte skip", 0))
        if encoding in ("txt", "text", "ascii"):  # a digit and a space, whatever the type
            itemsize, (wide, packing) = 1, (2, 1)
        else:
            wide, packing = _ENCODINGS[encoding]
    except (KeyError, ValueError) as error:
        raise UnreadableError(f"{path} has a damaged header ({error}); {_AGAIN}.") from error
    if len(shape) > 3:  # channels or time points, of which ITK tells which
        check_grid(shape, str(path))
    else:
        three_dimensions(shape, str(path))
    name, start, files = fields.get("data file"), length, [path]
    if name is not None:
        start, files = 0, named_files(path, name, lines, shape[-1])
    size = sum(file.stat().st_size for file in files)
    # -1: as many as there are too many; a packed stream skips within what was unpacked.
    start += skipped * len(files) if skipped > 0 and packing == 1 else 0
    check_held(path, math.prod(shape) * itemsize * wide - (itemsize < wide), size - start, packing)
    return tuple(files)


def _header(path: Path) -> tuple[Mapping[str, str], int, list[str]]:
    """Fields, names in lower case; the header's bytes; the lines of file names after a LIST."""
    fields: dict[str, str] = {}
    listed: list[str] = []
    with path.open("rb") as stream:
        if stream.read(4) != b"NRRD":
            raise UnreadableError(
                f"{path} has no NRRD header; it is damaged or not what its suffix says, {_AGAIN}."
            )
        stream.readline(_MOST_HEADER)
        while stream.tell() < _MOST_HEADER and (raw := stream.readline(_MOST_HEADER)):
            line = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
            if not line:
                break
            name, colon, value = line.partition(": ")
            name = {"datafile": "data file", "byteskip": "byte skip"}.get(
                name.lower(), name.lower()
            )
            if line.startswith("#") or ":=" in name:
                continue
            if len(raw) > _MOST_LINE:
                reason = f"a line of {len(raw)} bytes"
                raise UnreadableError(f"{path} has a damaged header ({reason}); {_AGAIN}.")
            if not colon:
                continue
            if name in fields:
                raise UnreadableError(f"{path} has the field '{name}' twice; {_AGAIN}.")
            fields[name] = value.strip()
            if name == "data file" and value.split()[:1] == ["LIST"]:  # always the last field
                text = stream.read(_MOST_HEADER).decode("utf-8", "surrogateescape")
                listed = text.splitlines()
        length = stream.tell()
    return fields, length, listed
