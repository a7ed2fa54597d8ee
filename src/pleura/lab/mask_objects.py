"""DICOM objects that hold masks, SEG and RTSTRUCT: what is in one, and which CT it was drawn on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom

from pleura.lab.structures import agreed, structure_of_code, structure_of_name
from pleura.read.dicom_values import integer_of, text_of, value_of

SEGMENTATION = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"

_CONTENTS = (
    "SOPClassUID", "FrameOfReferenceUID", "ReferencedSeriesSequence", "SegmentSequence",
    "StructureSetROISequence", "RTROIObservationsSequence", "ReferencedFrameOfReferenceSequence",
)  # fmt: skip
_FRAMES = ("SourceImageSequence", "PerFrameFunctionalGroupsSequence")
# Property types that say no more than "anatomy"; then the anatomic region says which. A tumour's
# region is the lung, too, but its type says tumour.
_ANATOMY = frozenset(
    {"91772007", "113343008", "91723000", "123037004", "85756007", "T-D000A", "T-D0050"}
)


@dataclass(frozen=True)
class References:
    """The images that an object says it was drawn on."""

    series: frozenset[str]
    instances: frozenset[str]
    frame_of_reference: str


@dataclass(frozen=True)
class MaskObject:
    """A SEG or RTSTRUCT file.

    Args:
        path: the file.
        is_seg: SEG, else RTSTRUCT.
        structures: structure (see `structures`) -> segment or ROI numbers.
        others: names of segments or ROIs that are none of these.
        references: what it was drawn on.
    """

    path: Path
    is_seg: bool
    structures: Mapping[str, tuple[int, ...]]
    others: tuple[str, ...]
    references: References


def describe(path: Path) -> MaskObject:
    """Read the headers of a SEG or RTSTRUCT file; pydicom's errors pass through."""
    ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_CONTENTS])
    is_seg = text_of(ds, "SOPClassUID") in SEGMENTATION
    structures: dict[str, tuple[int, ...]] = {}
    others = []
    for number, name, code in _segments(ds) if is_seg else _regions(ds):
        structure, contradicts = agreed(structure_of_name(name), code)
        if structure is None:
            others.append(f"{name} (its name and its code disagree)" if contradicts else name)
        else:
            structures[structure] = (*structures.get(structure, ()), number)
    references = _seg_references(path, ds) if is_seg else _rt_references(ds)
    return MaskObject(path, is_seg, structures, tuple(others), references)


def items(ds: pydicom.Dataset, name: str) -> Iterable[pydicom.Dataset]:
    """The items of a sequence; none when it is missing."""
    return value_of(ds, name) or ()


def _segments(ds: pydicom.Dataset) -> Iterable[tuple[int, str, str | None]]:
    for item in items(ds, "SegmentSequence"):
        label = text_of(item, "SegmentLabel") or text_of(item, "SegmentDescription")
        code = _structure(
            item, "SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"
        )
        if code is None and _codes(item, "SegmentedPropertyTypeCodeSequence") & _ANATOMY:
            code = _structure(item, "AnatomicRegionSequence", "AnatomicRegionModifierSequence")
        yield integer_of(item, "SegmentNumber") or 0, label, code


def _regions(ds: pydicom.Dataset) -> Iterable[tuple[int, str, str | None]]:
    codes = {
        integer_of(item, "ReferencedROINumber"): _structure(
            item, "RTROIIdentificationCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"
        )
        for item in items(ds, "RTROIObservationsSequence")
    }
    for item in items(ds, "StructureSetROISequence"):
        number = integer_of(item, "ROINumber")
        yield number or 0, text_of(item, "ROIName"), codes.get(number)


def _structure(item: pydicom.Dataset, name: str, modifier: str) -> str | None:
    """Of a coded concept, whose modifiers are nested in it or, in old files, lie beside it."""
    for concept in items(item, name):
        modifiers = _codes(concept, modifier) | _codes(item, modifier)
        structure = structure_of_code(text_of(concept, "CodeValue"), modifiers)
        if structure:
            return structure
    return None


def _codes(item: pydicom.Dataset, name: str) -> set[str]:
    return {text_of(code, "CodeValue") for code in items(item, name)}


def _seg_references(path: Path, ds: pydicom.Dataset) -> References:
    series, instances = set(), set()
    for item in items(ds, "ReferencedSeriesSequence"):
        series.add(text_of(item, "SeriesInstanceUID"))
        instances |= _instances(item, "ReferencedInstanceSequence")
    if not series:  # then only the frames say it
        frames = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_FRAMES])
        instances |= _instances(frames, "SourceImageSequence")
        for frame in items(frames, "PerFrameFunctionalGroupsSequence"):
            for derivation in items(frame, "DerivationImageSequence"):
                instances |= _instances(derivation, "SourceImageSequence")
    return _references(series, instances, ds)


def _rt_references(ds: pydicom.Dataset) -> References:
    series, instances = set(), set()
    frame: Any = ds
    for frame in items(ds, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for item in items(study, "RTReferencedSeriesSequence"):
                series.add(text_of(item, "SeriesInstanceUID"))
                instances |= _instances(item, "ContourImageSequence")
    return _references(series, instances, frame)


def _instances(item: pydicom.Dataset, name: str) -> set[str]:
    return {text_of(image, "ReferencedSOPInstanceUID") for image in items(item, name)}


def _references(series: set[str], instances: set[str], ds: pydicom.Dataset) -> References:
    frame_of_reference = text_of(ds, "FrameOfReferenceUID")
    return References(frozenset(series - {""}), frozenset(instances - {""}), frame_of_reference)
