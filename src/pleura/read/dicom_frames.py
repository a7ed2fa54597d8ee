"""What one DICOM file and one plane in it are; a multi-frame file gives one `Slice` a frame.

So all later steps see one kind of thing. Names are those of DICOM PS3.3; of patient and study only
a mark is kept (`dicom_marks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pydicom

from pleura.read.dicom_values import (
    image_type_of,
    integer_of,
    number_of,
    numbers_of,
    text_of,
    value_of,
)


@dataclass(frozen=True)
class StoredImage:
    """One file: which series it belongs to and how its pixels are stored.

    `offset` is where uncompressed pixel values begin, 0 when they need a decoder; `padding` is
    the closed range of stored values that mean "outside the field of view"; `damage` says what
    is wrong with the file, "" when nothing is. `study` and `patient` are marks that only tell equal
    from different; `patient_position` is HFS, FFP, HFDR, ...; `directions` are the letters of
    PatientOrientation, such as ("L", "P").
    """

    path: Path
    series_uid: str
    series_number: int | None
    description: str
    region: str
    modality: str
    sop_class: str
    image_type: tuple[str, ...]
    frame_of_reference: str
    kernel: str
    transfer_syntax: str
    has_pixels: bool
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    padding: tuple[int, int] | None
    rescale_type: str
    lossy: bool
    study: str = field(repr=False)
    patient: str = field(repr=False)
    patient_position: str
    directions: tuple[str, ...]
    offset: int = 0
    damage: str = ""


@dataclass(frozen=True)
class Slice:
    """One plane: a single-frame file, or one frame of a multi-frame file (mm, LPS).

    `spacing_from` names the attribute that stood in for a missing PixelSpacing; `stack` is the
    StackID of a frame; `diameter` is the ReconstructionDiameter.
    """

    image: StoredImage
    frame: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    thickness: float | None
    between: float | None
    slope: float | None
    intercept: float | None
    instance: int
    acquisition: int | None
    temporal: int | None
    stack: str = ""
    spacing_from: str = ""
    diameter: float | None = None


def slices_of(image: StoredImage, ds: pydicom.Dataset) -> Iterator[Slice]:
    shared = _first(ds, "SharedFunctionalGroupsSequence")
    frames: Sequence[pydicom.Dataset] = value_of(ds, "PerFrameFunctionalGroupsSequence") or ()
    if not frames:
        # Several frames without positions make no stack; two of them show that.
        for frame in range(min(image.frames, 2)):
            yield _slice(image, frame, [ds] if shared is None else [shared, ds])
        return
    if len(frames) != image.frames:
        image = replace(image, damage="has another number of frames than it describes")
    for frame, group in enumerate(frames):
        groups = [group] if shared is None else [group, shared]
        yield _slice(_enhanced_image(image, groups), frame, [*groups, ds])


def _first(ds: pydicom.Dataset, name: str) -> pydicom.Dataset | None:
    sequence = value_of(ds, name)
    return sequence[0] if sequence else None


def _macro(levels: Sequence[pydicom.Dataset], name: str) -> pydicom.Dataset:
    """A functional group macro: of the frame, else shared, else plain (PS3.3 C.7.6.16)."""
    for level in levels[:-1]:
        item = _first(level, name)
        if item is not None:
            return item
    return levels[-1]


def _enhanced_image(image: StoredImage, groups: Sequence[pydicom.Dataset]) -> StoredImage:
    levels = [*groups, pydicom.Dataset()]
    anatomy = _first(_macro(levels, "FrameAnatomySequence"), "AnatomicRegionSequence")
    region = "" if anatomy is None else text_of(anatomy, "CodeMeaning")
    return replace(
        image,
        image_type=image_type_of(_macro(levels, "CTImageFrameTypeSequence"), "FrameType")
        or image.image_type,
        kernel=text_of(_macro(levels, "CTReconstructionSequence"), "ConvolutionKernel")
        or image.kernel,
        region=region or image.region,
        rescale_type=text_of(
            _macro(levels, "PixelValueTransformationSequence"), "RescaleType"
        ).upper()
        or image.rescale_type,
    )


def _slice(image: StoredImage, frame: int, levels: Sequence[pydicom.Dataset]) -> Slice:
    measures = _macro(levels, "PixelMeasuresSequence")
    rescale = _macro(levels, "PixelValueTransformationSequence")
    content = _macro(levels, "FrameContentSequence")
    acquisition = integer_of(content, "FrameAcquisitionNumber")
    temporal = integer_of(content, "TemporalPositionIndex")
    pixel_spacing, spacing_from = _pixel_spacing(image, measures, levels[-1])
    return Slice(
        image=image,
        frame=frame,
        position=numbers_of(_macro(levels, "PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=numbers_of(
            _macro(levels, "PlaneOrientationSequence"), "ImageOrientationPatient", 6
        ),
        pixel_spacing=pixel_spacing,
        thickness=number_of(measures, "SliceThickness"),
        between=number_of(measures, "SpacingBetweenSlices"),
        slope=number_of(rescale, "RescaleSlope"),
        intercept=number_of(rescale, "RescaleIntercept"),
        instance=integer_of(levels[-1], "InstanceNumber") or 0,
        acquisition=integer_of(levels[-1], "AcquisitionNumber")
        if acquisition is None
        else acquisition,
        temporal=integer_of(levels[-1], "TemporalPositionIdentifier")
        if temporal is None
        else temporal,
        stack="" if len(levels) == 1 else text_of(content, "StackID"),
        spacing_from=spacing_from,
        diameter=number_of(levels[-1], "ReconstructionDiameter"),
    )


def _pixel_spacing(
    image: StoredImage, measures: pydicom.Dataset, ds: pydicom.Dataset
) -> tuple[tuple[float, ...] | None, str]:
    """PixelSpacing; without a usable one what stands in for it, and that attribute's name."""
    spacing = numbers_of(measures, "PixelSpacing", 2)
    if spacing is not None and min(spacing) > 0:
        return spacing, ""
    for name in ("ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        other = numbers_of(ds, name, 2)
        if other is not None and min(other) > 0:
            return other, name
    diameter = number_of(ds, "ReconstructionDiameter")
    if diameter is not None and diameter > 0 and image.rows == image.columns > 0:
        return (diameter / image.rows,) * 2, "ReconstructionDiameter"
    return spacing, ""
