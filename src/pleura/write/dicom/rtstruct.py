"""Mask -> DICOM RT Structure Set (PS3.3 A.19): closed planar contours in the images' planes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from pleura.labels import COLOURS
from pleura.volume import Mask
from pleura.write.dicom.common import (
    MANUFACTURER,
    NOTICE,
    PATIENT_AND_STUDY,
    Origin,
    Structure,
    coded,
    series_number_of,
    structures_of,
)
from pleura.write.dicom.contours import contours
from pleura.write.dicom.deidentify import mark_deidentified
from pleura.write.dicom.sources import SourceImages

_STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.2"  # what RT Referenced Study names (PS3.3 C.8.8.5)


def structure_set(mask: Mask, sources: SourceImages, origin: Origin) -> FileDataset:
    """An RTSTRUCT object with a region of interest for each label of the mask.

    Args:
        mask: on the grid of the scan; contours lie in its slices, in LPS mm.
        sources: the scan's images, deidentified if the object is to be; each is referred to.
        origin: the network.
    """
    first = sources.first
    now = datetime.datetime.now()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    for name in PATIENT_AND_STUDY:
        setattr(ds, name, first.get(name, ""))
    ds.StudyInstanceUID = first.StudyInstanceUID
    ds.Modality, ds.OperatorsName = "RTSTRUCT", ""
    ds.SeriesInstanceUID, ds.SeriesNumber = generate_uid(), series_number_of(first)
    ds.SeriesDescription = f"pleura {origin.model} {origin.version}"[:64]
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, "pleura"
    ds.SoftwareVersions, ds.DeviceSerialNumber = origin.software, origin.serial
    ds.StructureSetLabel, ds.StructureSetDescription = "LUNGS", NOTICE
    ds.StructureSetDate, ds.StructureSetTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    ds.InstanceNumber, ds.ApprovalStatus = 1, "UNAPPROVED"
    frame_of_reference = first.get("FrameOfReferenceUID") or generate_uid()
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = frame_of_reference, ""
    ds.ReferencedFrameOfReferenceSequence = [_references(sources, frame_of_reference)]
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    ds.RTROIObservationsSequence = []
    for number, structure in structures_of(mask).items():
        ds.StructureSetROISequence.append(_region(number, structure, frame_of_reference, origin))
        ds.ROIContourSequence.append(_contours(mask, number, sources))
        ds.RTROIObservationsSequence.append(_observation(number, structure))
    if origin.deidentify:
        mark_deidentified(ds)
    return ds


def _references(sources: SourceImages, frame_of_reference: str) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = sources.first.SeriesInstanceUID
    series.ContourImageSequence = [_image(dataset, None) for dataset in sources.datasets]
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_COMPONENT
    study.ReferencedSOPInstanceUID = sources.first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = frame_of_reference
    frame.RTReferencedStudySequence = [study]
    return frame


def _image(dataset: Dataset, frame: int | None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    if frame is not None:
        item.ReferencedFrameNumber = frame + 1
    return item


def _region(number: int, structure: Structure, frame_of_reference: str, origin: Origin) -> Dataset:
    region = Dataset()
    region.ROINumber, region.ROIName = number, structure.rt_name
    region.ReferencedFrameOfReferenceUID = frame_of_reference
    region.ROIGenerationAlgorithm = "AUTOMATIC"
    region.ROIGenerationDescription = f"pleura {origin.model} {origin.version}"[:64]
    return region


def _observation(number: int, structure: Structure) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType, observation.ROIInterpreter = "ORGAN", ""
    kind = coded(structure.kind)
    if structure.side is not None:
        kind.SegmentedPropertyTypeModifierCodeSequence = [coded(structure.side)]
    observation.RTROIIdentificationCodeSequence = [kind]
    return observation


def _contours(mask: Mask, number: int, sources: SourceImages) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = list(COLOURS[number])
    drawn = list(_drawn(mask, number, sources))
    if drawn:  # an empty sequence isn't allowed
        item.ContourSequence = drawn
    return item


def _drawn(mask: Mask, number: int, sources: SourceImages) -> Iterator[Dataset]:
    affine = mask.geometry.affine
    for k, plane in enumerate(mask.array):
        for points in contours(plane == number):
            index = np.column_stack([points, np.full(len(points), k)])
            places = index @ affine[:3, :3].T + affine[:3, 3]
            dataset, frame = sources.frames[k]
            contour = Dataset()
            contour.ContourImageSequence = [
                _image(sources.datasets[dataset], frame if sources.is_multiframe else None)
            ]
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{value:.4f}" for value in places.ravel()]
            yield contour
