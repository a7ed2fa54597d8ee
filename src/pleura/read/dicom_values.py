"""Which DICOM attributes pleura reads, and their values without surprises.

What names patient and study is only read by `dicom_marks`, which keeps no more than a mark. A value
that is missing or that pydicom can't parse is None (or "").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from itertools import takewhile
from typing import Any

import pydicom
from pydicom.tag import BaseTag, Tag

HEADER_TAGS: list[Any] = [
    Tag(name)
    for name in (
        "SOPClassUID", "ImageType", "Modality", "SeriesDescription", "ProtocolName",
        "BodyPartExamined", "SliceThickness", "SpacingBetweenSlices", "ConvolutionKernel",
        "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber", "InstanceNumber",
        "TemporalPositionIdentifier", "ImagePositionPatient", "ImageOrientationPatient",
        "FrameOfReferenceUID", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
        "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit",
        "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept",
        "RescaleSlope", "RescaleType", "LossyImageCompression", "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence", "PatientPosition", "PatientOrientation",
        "ImagerPixelSpacing", "NominalScannedPixelSpacing", "ReconstructionDiameter",
        "StudyInstanceUID", "PatientID",
    )
]  # fmt: skip


@cache
def tag_of(name: str) -> BaseTag:
    return Tag(name)


def value_of(ds: pydicom.Dataset, name: str) -> Any:
    """The value, or None. By tag: a missing attribute costs pydicom an exception by name."""
    try:
        element = ds.get(tag_of(name))
        return None if element is None else element.value
    except Exception:
        return None


def text_of(ds: pydicom.Dataset, name: str) -> str:
    """The text as far as it can be printed."""
    value = value_of(ds, name)
    if value is None:
        return ""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    return _printable(" ".join(str(part) for part in value) if several else str(value))


def plain_text_of(ds: pydicom.Dataset, name: str) -> str:
    """One value of a UID, or of what is only compared; without pydicom's slow conversion."""
    item = ds.get_item(tag_of(name))
    value = None if item is None else item.value
    if isinstance(value, bytes):
        return _printable(value.decode("latin-1"))
    return "" if value is None else _printable(str(value))


def _printable(text: str) -> str:
    """Up to a control character: behind one, a wrong length runs on into the patient's name."""
    if not text.isprintable():
        text = "".join(takewhile(str.isprintable, text))
    return text.strip()


def numbers_of(ds: pydicom.Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers, else None."""
    value = value_of(ds, name)
    try:
        values = tuple(float(v) for v in (value if count > 1 else (value,)))
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def number_of(ds: pydicom.Dataset, name: str) -> float | None:
    values = numbers_of(ds, name, 1)
    return None if values is None else values[0]


def integer_of(ds: pydicom.Dataset, name: str) -> int | None:
    value = number_of(ds, name)
    return None if value is None else int(value)


def image_type_of(ds: pydicom.Dataset, name: str = "ImageType") -> tuple[str, ...]:
    return tuple(text_of(ds, name).upper().split())
