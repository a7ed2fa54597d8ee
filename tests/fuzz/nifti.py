"""NIfTI: header fields by name, extensions, gzip members."""

from __future__ import annotations

import gzip
from functools import cache
from random import Random

import nibabel
import numpy as np

from tests.fuzz.mutate import damaged, damaged_front, packed_float, packed_integer, pick_word

# Those that decide about the grid, the size or the numbers are taken more often.
_DECISIVE = (
    "sizeof_hdr", "dim", "dim", "dim", "datatype", "bitpix", "vox_offset", "pixdim", "pixdim",
    "scl_slope", "scl_inter", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "srow_x", "srow_y", "srow_z", "xyzt_units", "magic",
)  # fmt: skip
_DATATYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 255, 256, 512, 768, 1024, 1280, 1536, 1792, 2048)
_CODES = (0, 2, 4, 6, 10, 18, 44, -1)  # of extensions; 2 is DICOM
_MAGICS = (b"n+1\0", b"ni1\0", b"n+2\0\r\n\x1a\n", b"n+2\0", b"\0\0\0\0", b"ANAL")


@cache
def _fields(version: int) -> dict[str, tuple[str, int, int, int]]:
    """Name -> (kind, size of an entry, entries, offset)."""
    header = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    found = {}
    for name, (dtype, offset, *_) in header.template_dtype.fields.items():
        base = dtype.base
        count = int(np.prod(dtype.shape, dtype=int))
        found[name] = (base.kind, base.itemsize, count, offset)
    return found


def _set_field(rng: Random, data: bytearray, version: int, big: bool) -> None:
    fields = _fields(version)
    name = rng.choice(_DECISIVE if rng.random() < 0.85 else list(fields))
    kind, size, count, offset = fields[name]
    offset += size * rng.randrange(count)
    if name == "magic":
        value = rng.choice(_MAGICS)
    elif name == "datatype" and rng.random() < 0.8:
        value = rng.choice(_DATATYPES).to_bytes(2, "big" if big else "little")
    elif kind == "S":
        value = pick_word(rng)[:size]
    elif kind == "f":
        value = packed_float(rng, size, big)
    else:
        value = packed_integer(rng, size, big)
    data[offset : offset + len(value)] = value


def _extend(rng: Random, data: bytearray, start: int, big: bool) -> None:
    """An extension behind the header, whose size may lie."""
    order = "big" if big else "little"
    dicom = b"\x08\x00\x60\x00CS\x02\0CT"
    content = rng.choice((b"", b"\0" * 8, b"<xml>", rng.randbytes(40), dicom))
    size = 8 + len(content)
    size = rng.choice((size, size, (size + 15) // 16 * 16, 0, 4, 16, 1 << 30, 2**32 - 1))
    header = size.to_bytes(4, order) + (rng.choice(_CODES) % 2**32).to_bytes(4, order)
    data[start : start + 4] = rng.choice((b"\1\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff"))
    data[start + 4 : start + 4] = (header + content) * rng.choice((1, 1, 3))


def mutate_nifti(rng: Random, plain: bytes) -> bytes:
    """A damaged .nii; `plain` is NIfTI-1 or -2 of either byte order."""
    big = plain[0] == 0
    version = 1 if 348 in (int.from_bytes(plain[:4], o) for o in ("big", "little")) else 2
    length = 348 if version == 1 else 540
    data = bytearray(plain)
    way = rng.random()
    if way < 0.7:
        for _ in range(rng.choice((1, 1, 2, 3, 5))):
            _set_field(rng, data, version, big)
    if 0.65 < way < 0.75:
        _extend(rng, data, length, big)
    if way < 0.75:
        return bytes(data)
    return damaged_front(rng, bytes(data), length + 4) if way < 0.92 else damaged(rng, bytes(data))


def mutate_gzip(rng: Random, plain: bytes) -> bytes:
    """A damaged .nii.gz: mostly its content, sometimes the stream."""
    way = rng.random()
    inner = plain if 0.55 < way < 0.8 else mutate_nifti(rng, plain)
    cut = rng.randrange(len(inner) + 1) if way > 0.9 else len(inner)
    packed = gzip.compress(inner[:cut], 1, mtime=0)
    if cut < len(inner):
        packed += gzip.compress(inner[cut:], 1, mtime=0)
    return damaged(rng, packed) if 0.5 < way < 0.8 else packed
