"""DICOM: damage element by element."""

from __future__ import annotations

import struct
from collections.abc import Callable
from copy import deepcopy
from random import Random

from tests.fuzz.dicom_tree import PIXELS, UNDEFINED, DicomFile, Element
from tests.fuzz.mutate import (
    INTEGERS,
    WORDS,
    damaged,
    packed_float,
    packed_integer,
    pick_number_word,
    pick_word,
)

_VRS = (
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB",
    b"OD", b"OF", b"OL", b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM",
    b"UC", b"UI", b"UL", b"UN", b"UR", b"US", b"UT", b"UV", b"??", b"\0\0", b"xx", b"  ",
)  # fmt: skip
# What pleura reads: size, bits, rescale, position, orientation, spacing, padding, type, UIDs...
_DECISIVE = frozenset((
    0x00020010, 0x00080008, 0x00080016, 0x00080060, 0x0008103E, 0x00180050, 0x00180088,
    0x0020000E, 0x00200011, 0x00200013, 0x00200032, 0x00200037, 0x00200052, 0x00280002, 0x00280004,
    0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103,
    0x00281052, 0x00281053, 0x52009229, 0x52009230, PIXELS,
))  # fmt: skip
# Elements that a seed lacks: (tag, VR).
_ABSENT = (
    (0x00080005, b"CS"), (0x00280008, b"IS"), (0x00280120, b"SS"), (0x00280121, b"SS"),
    (0x00282110, b"CS"), (0x00200100, b"IS"), (0x00180088, b"DS"), (0x00281101, b"US"),
    (0x00281201, b"OW"), (0x00283000, b"SQ"), (0x00090010, b"LO"), (0x00091001, b"UN"),
    (0x00080001, b"UL"), (0x00080000, b"UL"), (0x00041220, b"SQ"), (0x7FE00008, b"OF"),
    (0x60003000, b"OW"), (0xFFFCFFFC, b"OB"), (0xFFFEE000, b"OB"), (0xFFFEE0DD, b"OB"),
    (0x00000000, b"UL"), (0xFFFFFFFF, b"UN"), (0x00280009, b"AT"), (0x00200105, b"IS"),
    (0x7FE00001, b"OV"), (0x7FE00002, b"OV"), (0x7FE00003, b"UV"), (0x00189345, b"FD"),
)  # fmt: skip
_SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.110", "1.2.3", "", "x" * 100,
)  # fmt: skip
_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.3.10", "", "1.2.3",
)  # fmt: skip
_CODES = (
    b"CT", b"MR", b"SEG", b"MONOCHROME1", b"MONOCHROME2", b"PALETTE COLOR", b"RGB", b"YBR_FULL",
    b"ISO_IR 100", b"ISO_IR 192", b"ISO 2022 IR 87", b"GB18030", b"DERIVED\\SECONDARY",
    b"ORIGINAL\\PRIMARY\\LOCALIZER", b"01", b"HU", b"US",
)  # fmt: skip
_NUMBERS = (b"DS", b"IS")
_SIZES = {b"US": 2, b"SS": 2, b"UL": 4, b"SL": 4, b"AT": 4, b"FL": 4, b"FD": 8, b"SV": 8, b"UV": 8}


def _pick(rng: Random, file: DicomFile) -> tuple[list[Element], int]:
    """A list of elements and a place in it; mostly one that decides something."""
    lists = [found for found in file.everything() if found]
    if rng.random() < 0.8:
        places = [(found, i) for found in lists for i, e in enumerate(found) if e.tag in _DECISIVE]
        if places:
            return rng.choice(places)
    found = rng.choice(lists)
    return found, rng.randrange(len(found))


def _new_value(rng: Random, element: Element, big: bool) -> bytes:
    vr = element.vr
    if rng.random() < 0.1:
        return rng.choice((b"", b"\0", b"\0\0", b"  ", rng.randbytes(rng.randrange(40))))
    count = rng.choice((1, 1, 1, 2, 3, 6, 7, 200))
    if vr in _NUMBERS:
        parts = element.value.split(b"\\")
        word = pick_number_word(rng).encode()
        if rng.random() < 0.6:
            parts[rng.randrange(len(parts))] = word
            return b"\\".join(parts)
        return b"\\".join([word] * count)
    if vr in (b"FL", b"FD"):
        return b"".join(packed_float(rng, _SIZES[vr], big) for _ in range(count))
    if vr in _SIZES:
        return b"".join(packed_integer(rng, _SIZES[vr], big) for _ in range(count))
    if vr == b"UI" and rng.random() < 0.8:
        return rng.choice(_SYNTAXES if element.tag == 0x00020010 else _CLASSES).encode()
    if vr == b"CS" and rng.random() < 0.7:
        return rng.choice(_CODES)
    if rng.random() < 0.2:
        return damaged(rng, element.value)
    return pick_word(rng) if rng.random() < 0.5 else rng.choice(WORDS).encode()


def _value(rng: Random, file: DicomFile) -> None:
    found, i = _pick(rng, file)
    element = found[i]
    if element.tag == PIXELS:
        _pixels(rng, file)
        return
    element.items = None
    element.value = _new_value(rng, element, file.big)
    if rng.random() < 0.9:
        element.value += b" " * (len(element.value) % 2)


def _vr(rng: Random, file: DicomFile) -> None:
    found, i = _pick(rng, file)
    found[i].vr = rng.choice(_VRS)


def _length(rng: Random, file: DicomFile) -> None:
    found, i = _pick(rng, file)
    true = len(found[i].value)
    lies = (0, 1, true + 1, true - 1, true + 2, true * 2, UNDEFINED, UNDEFINED - 1, *INTEGERS)
    found[i].length = rng.choice(lies) % 2**32


def _delete(rng: Random, file: DicomFile) -> None:
    found, i = _pick(rng, file)
    del found[i]


def _duplicate(rng: Random, file: DicomFile) -> None:
    found, i = _pick(rng, file)
    found[i:i] = [found[i]] * rng.choice((1, 1, 2, 40))


def _move(rng: Random, file: DicomFile) -> None:
    found, i = _pick(rng, file)
    other, _ = _pick(rng, file)
    moved = deepcopy(found.pop(i))  # a sequence that held itself would have no end
    other.insert(rng.randrange(len(other) + 1), moved)


def _insert(rng: Random, file: DicomFile) -> None:
    tag, vr = rng.choice(_ABSENT)
    element = Element(tag, vr)
    element.value = _new_value(rng, element, file.big)
    found, i = _pick(rng, file)
    found = file.elements if rng.random() < 0.8 else found
    at = next((k for k, e in enumerate(found) if e.tag > tag), len(found))
    found.insert(at if rng.random() < 0.8 else min(i, len(found)), element)


def _nest(rng: Random, file: DicomFile) -> None:
    """A sequence in a sequence in a sequence, some never closed."""
    order = ">" if file.big else "<"
    vr = b"SQ\0\0" if file.explicit else b""
    step = struct.pack(f"{order}HH", 0x0040, 0xA730) + vr + struct.pack(f"{order}I", UNDEFINED)
    step += struct.pack(f"{order}HHI", 0xFFFE, 0xE000, UNDEFINED)
    ends = struct.pack(f"{order}HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    depth = rng.choice((2, 30, 300, 1200, 4000))
    raw = step * depth + ends * (depth if rng.random() < 0.7 else rng.randrange(depth))
    at = next((k for k, e in enumerate(file.elements) if e.tag > 0x0040A730), len(file.elements))
    file.elements.insert(at, Element(0x0040A730, b"SQ", raw=raw))


def _items(rng: Random, file: DicomFile) -> None:
    sequences = [e for found in file.everything() for e in found if e.items]
    if not sequences:
        _nest(rng, file)
        return
    items = rng.choice(sequences).items or []
    at = rng.randrange(len(items))
    way = rng.random()
    if way < 0.3:
        del items[at]
    elif way < 0.6:
        items.insert(at, rng.choice((items[at], [])))
    elif way < 0.8:
        items[:] = items * rng.choice((2, 50))
    else:
        items.clear()


def _pixels(rng: Random, file: DicomFile) -> None:
    for element in file.elements:
        if element.tag == PIXELS:
            if element.fragments:
                _fragments(rng, file, element.fragments)
            elif rng.random() < 0.3:
                element.length = rng.choice((0, 1, 2, UNDEFINED, 2**31, *INTEGERS)) % 2**32
            elif rng.random() < 0.2:
                element.fragments = [b"", element.value]
            else:
                element.value = damaged(rng, element.value)
            return


def _fragments(rng: Random, file: DicomFile, fragments: list[bytes]) -> None:
    at = rng.randrange(len(fragments))
    way = rng.random()
    if way < 0.5:
        front = rng.choice((8, 64, 200, len(fragments[-1])))  # where codecs keep their headers
        fragments[-1] = damaged(rng, fragments[-1][:front]) + fragments[-1][front:]
    elif way < 0.6:
        fragments[at : at + 1] = []
    elif way < 0.7:
        fragments.insert(at, rng.choice((b"", fragments[at], rng.randbytes(64))))
    elif way < 0.8:
        cut = rng.randrange(len(fragments[-1]) + 1)
        fragments[-1:] = [fragments[-1][:cut], fragments[-1][cut:]]
    elif way < 0.9:
        fragments[0] = b"".join(packed_integer(rng, 4) for _ in range(rng.randrange(4)))
    else:
        file.fragments_end = False


def _syntax(rng: Random, file: DicomFile) -> None:
    for element in file.meta:
        if element.tag == 0x00020010:
            element.value = rng.choice(_SYNTAXES).encode()
            element.value += b"\0" * (len(element.value) % 2)


def _start(rng: Random, file: DicomFile) -> None:
    file.preamble = rng.choice((b"", b"\0" * 128, b"DICM", b"\0" * 128 + b"DIC", b"\x08\0\x05\0"))
    if rng.random() < 0.5:
        file.meta.clear()


_WAYS: tuple[Callable[[Random, DicomFile], None], ...] = (
    *(_value,) * 9, _vr, _vr, _length, _length, _delete, _delete, _duplicate, _move, _insert,
    _insert, _nest, _items, _items, _pixels, _pixels, _syntax, _start,
)  # fmt: skip


def mutate_dicom(rng: Random, seed: DicomFile) -> bytes:
    """A damaged DICOM file."""
    way = rng.random()
    if way > 0.85:
        data = seed.to_bytes()
        # A small header is most of what matters; pixels are at the end.
        front = rng.choice((400, 1000, len(data)))
        return damaged(rng, data[:front]) + data[front:]
    file = seed.copy()
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        if any(file.everything()):
            rng.choice(_WAYS)(rng, file)
    return file.to_bytes()
