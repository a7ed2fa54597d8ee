"""A DICOM file as a tree of elements that can lie, and back to bytes.

pydicom writes only what is right, so the writing is done here (PS3.5 7.1, 7.5, A.4).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments

LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
PIXELS = 0x7FE00010
_GROUP_LENGTH = 0x00020000
UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass
class Element:
    """Tag, VR and one of: bytes, items of a sequence, fragments; or `raw`, written as it is.

    `length` replaces the true length; UNDEFINED adds the end that belongs to it.
    """

    tag: int
    vr: bytes
    value: bytes = b""
    items: list[list[Element]] | None = None
    fragments: list[bytes] | None = None
    length: int | None = None
    raw: bytes | None = None


@dataclass
class DicomFile:
    """A file; `meta` is explicit little-endian always."""

    meta: list[Element]
    elements: list[Element]
    explicit: bool = True
    big: bool = False
    deflated: bool = False
    preamble: bytes = b"\0" * 128 + b"DICM"
    fragments_end: bool = field(default=True)

    def copy(self) -> DicomFile:
        return deepcopy(self)

    def everything(self) -> Iterator[list[Element]]:
        """All lists of elements, those of items too."""
        yield self.meta
        yield from _lists(self.elements)

    def to_bytes(self) -> bytes:
        body = b"".join(_encoded(e, self) for e in self.elements)
        if self.deflated:
            packer = zlib.compressobj(1, wbits=-15)
            body = packer.compress(body) + packer.flush()
        plain = DicomFile([], [])
        meta = b"".join(_encoded(e, plain) for e in self.meta if e.tag != _GROUP_LENGTH)
        group = [e for e in self.meta if e.tag == _GROUP_LENGTH]
        for e in group:
            e = Element(e.tag, e.vr, e.value or struct.pack("<I", len(meta)), length=e.length)
            meta = _encoded(e, plain) + meta
        return self.preamble + meta + body


def _lists(elements: list[Element]) -> Iterator[list[Element]]:
    yield elements
    for element in elements:
        for item in element.items or ():
            yield from _lists(item)


def _encoded(element: Element, file: DicomFile) -> bytes:
    if element.raw is not None:
        return element.raw
    order = ">" if file.big else "<"

    def tag(number: int, length: int) -> bytes:
        return struct.pack(f"{order}HHI", number >> 16, number & 0xFFFF, length % 2**32)

    length: int | None = None
    body = element.value
    if element.items is not None:
        inner = [b"".join(_encoded(e, file) for e in item) for item in element.items]
        undefined = element.length == UNDEFINED
        ends = tag(_ITEM_END, 0) if undefined else b""
        body = b"".join(tag(_ITEM, UNDEFINED if undefined else len(i)) + i + ends for i in inner)
        body += tag(_SEQUENCE_END, 0) if undefined else b""
    if element.fragments is not None:
        body = b"".join(tag(_ITEM, len(f)) + f for f in element.fragments)
        body += tag(_SEQUENCE_END, 0) if file.fragments_end else b""
        length = UNDEFINED
    length = len(body) if length is None else length
    length = length if element.length is None else element.length
    if not file.explicit:
        return tag(element.tag, length) + body
    start = struct.pack(f"{order}HH", element.tag >> 16, element.tag & 0xFFFF) + element.vr[:2]
    if element.vr in LONG:
        return start + b"\0\0" + struct.pack(f"{order}I", length % 2**32) + body
    return start + struct.pack(f"{order}H", length % 2**16) + body


def parsed(data: bytes) -> DicomFile:
    """A valid file with preamble as a tree; values stay the bytes that they are."""
    ds = pydicom.dcmread(io.BytesIO(data))
    syntax = ds.file_meta.TransferSyntaxUID
    return DicomFile(
        _elements(ds.file_meta),
        _elements(ds),
        explicit=not syntax.is_implicit_VR,
        big=not syntax.is_little_endian,
        deflated=syntax.is_deflated,
    )


def _elements(ds: Dataset) -> list[Element]:
    found = []
    for tag in sorted(ds.keys()):
        item = ds.get_item(tag)
        vr = (item.VR or ds[tag].VR).encode()[:2]
        if ds[tag].VR == "SQ":
            found.append(Element(int(tag), b"SQ", items=[_elements(i) for i in ds[tag].value]))
        elif int(tag) == PIXELS and ds[tag].is_undefined_length:
            fragments = list(generate_fragments(ds[tag].value))  # the table of offsets first
            found.append(Element(int(tag), b"OB", fragments=fragments))
        elif isinstance(item.value, bytes):
            found.append(Element(int(tag), vr, item.value))
        else:  # file meta is parsed already; its length is told when it is written
            text = b"" if int(tag) == _GROUP_LENGTH else str(item.value).encode()
            found.append(Element(int(tag), vr, text + b"\0" * (len(text) % 2)))
    return found
