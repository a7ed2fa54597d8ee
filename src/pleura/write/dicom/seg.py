"""Mask -> DICOM Segmentation (PS3.3 A.51), binary, one segment a label, by highdicom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pleura.labels import COLOURS
from pleura.volume import LabelArray, Mask
from pleura.write.dicom.common import (
    ANATOMY,
    MANUFACTURER,
    NOTICE,
    PATIENT_AND_STUDY,
    Origin,
    Structure,
    coded,
    series_number_of,
    structures_of,
)
from pleura.write.dicom.deidentify import mark_deidentified
from pleura.write.dicom.sources import SourceImages

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.dataset import Dataset


def segmentation(mask: Mask, sources: SourceImages, origin: Origin) -> Segmentation:
    """A SEG object with a segment for each label of the mask, those without voxels as well.

    Args:
        mask: on the grid of the scan.
        sources: the scan's images, deidentified if the object is to be; each is referred to.
        origin: the network.

    Raises:
        Exception: highdicom's, where the source's headers can't be carried over.
    """
    import highdicom as hd

    seg = hd.seg.Segmentation(
        source_images=[_with_patient(dataset) for dataset in sources.datasets],
        pixel_array=_stored(mask.array, sources),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(number, structure, origin)
            for number, structure in structures_of(mask).items()
        ],
        series_instance_uid=hd.UID(),
        series_number=series_number_of(sources.first),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="pleura",
        software_versions=origin.software,
        device_serial_number=origin.serial,
        content_label="LUNGS",
        content_description=f"{origin.model} {origin.version}. {NOTICE}"[:64],
    )
    seg.ContentCreatorName = None  # must be there, if empty
    seg.SeriesDescription = f"pleura {origin.model} {origin.version}"[:64]
    if origin.deidentify:
        mark_deidentified(seg)
    return seg


def _with_patient(dataset: Dataset) -> Dataset:
    """The header with the attributes that must be there, if empty."""
    for name in PATIENT_AND_STUDY:
        if name not in dataset:
            setattr(dataset, name, "")
    # An incomplete reference would be copied into the object.
    for name in ("ReferencedStudySequence", "ReferencedPatientSequence"):
        items = dataset.get(name)
        if items is not None and not all(_refers(item) for item in items):
            del dataset[name]
    return dataset


def _refers(item: Dataset) -> bool:
    return bool(item.get("ReferencedSOPClassUID")) and bool(item.get("ReferencedSOPInstanceUID"))


def _stored(array: LabelArray, sources: SourceImages) -> LabelArray:
    """The slices in the order in which the source stores them."""
    if not sources.is_multiframe:
        return array
    frames = len(sources.first.PerFrameFunctionalGroupsSequence)
    stored = np.zeros((frames, *array.shape[1:]), dtype=np.uint8)
    stored[[frame for _, frame in sources.frames]] = array
    return stored


def _description(number: int, structure: Structure, origin: Origin) -> SegmentDescription:
    import highdicom as hd
    from pydicom.sr.coding import Code

    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name,
        segmented_property_category=ANATOMY,
        segmented_property_type=structure.kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"pleura {origin.model}",
            version=origin.version,
            family=Code("123110", "DCM", "Artificial Intelligence"),
            parameters={"sha256": origin.sha256},
        ),
        tracking_uid=hd.UID(),
        tracking_id=structure.name,
        display_color=hd.color.CIELabColor.from_rgb(*COLOURS[number]),
    )
    if structure.side is not None:
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [coded(structure.side)]
    return description
