"""Zip files: names of members, local headers, the central directory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from random import Random

from tests.fuzz.mutate import damaged, packed_integer, pick_word

_NAMES = (
    "../evil", "a/../../evil", "/evil", "//evil", "C:\\evil", "..\\evil", "a\\..\\..\\evil", "",
    ".", "./", "a/", "a", "a/b", "a/b/c", "a//b", "con", "x" * 255, "x" * 256, "x/" * 120 + "x",
    "x/" * 2000 + "x", "ä", "\udcff", "a\0b", "a\nb", "evil ", " ", "~/evil", "$HOME/evil", "-rf",
)  # fmt: skip
# (signature, offset of the field behind it, its bytes) as in APPNOTE.TXT 4.3.
_FIELDS = tuple(
    (signature, offset, size)
    for signature, fields in {
        b"PK\3\4": ((4, 2), (6, 2), (8, 2), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
        b"PK\1\2": ((4, 2), (6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2),
                    (32, 2), (34, 2), (36, 2), (38, 4), (42, 4)),
        b"PK\5\6": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    }.items()
    for offset, size in fields
)  # fmt: skip


def zipped(files: Mapping[str, bytes], packed: bool = True) -> bytes:
    """A zip file whose bytes depend on `files` alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name  # as it is, where ZipInfo would make it safe
            info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(info, data, compresslevel=1)
    return buffer.getvalue()


def _odd_names(rng: Random, files: Mapping[str, bytes]) -> dict[str, bytes]:
    renamed = {}
    for name, data in files.items():
        odd = rng.choice(_NAMES) if rng.random() < 0.8 else pick_word(rng)[:999].decode("latin-1")
        renamed[odd if rng.random() < 0.5 else name] = data
    return renamed


def _set_field(rng: Random, data: bytearray) -> None:
    signature, offset, size = rng.choice(_FIELDS)
    places = [i for i in range(len(data) - 46) if data[i : i + 4] == signature] or [0]
    if signature == b"PK\5\6":
        places = [max(0, data.rfind(signature))]
    at = rng.choice(places) + offset
    data[at : at + size] = packed_integer(rng, size)


def mutate_zip(rng: Random, files: Mapping[str, bytes]) -> bytes:
    """A damaged zip of `files`."""
    way = rng.random()
    packed = rng.random() < 0.5
    if way < 0.25:
        try:
            return zipped(_odd_names(rng, files), packed)
        except (UnicodeEncodeError, ValueError):  # not every name can be written
            return zipped(files, packed)
    if way < 0.35:
        inner = rng.choice((b"", b"PK\5\6" + b"\0" * 18, zipped(files), b"\0" * 300_000))
        return zipped({**files, rng.choice(("inner.zip", "x.dcm", "x")): inner}, packed)
    if way < 0.5:
        name = rng.choice(list(files))
        return zipped({**files, name: damaged(rng, files[name])}, packed)
    data = bytearray(zipped(files, packed))
    if way < 0.8:
        for _ in range(rng.choice((1, 1, 2, 3))):
            _set_field(rng, data)
        return bytes(data)
    return damaged(rng, bytes(data))
