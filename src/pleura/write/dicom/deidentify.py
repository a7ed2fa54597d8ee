"""Source headers without what tells who the patient is (DICOM PS3.15 Annex E, basic profile).

The headers are made anew from what the objects need, all of it about pixels and grid, rather than
by taking away what is known to identify: nothing that a vendor hides somewhere can get through.
Attributes that must be there are empty (action Z), UIDs are replaced (U). A UID always gets the
same new one, so that objects of several runs still fit together, and with other data only if that
was treated in this way.
"""

from __future__ import annotations

import uuid
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from pleura.write.dicom.common import PATIENT_AND_STUDY
from pleura.write.dicom.sources import SourceImages

# PS3.16 CID 7050; contents that pleura writes hold nothing of the patient's own text.
_METHODS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113104", "Clean Structured Content Option"),
)
_NAMESPACE = uuid.UUID("6f0c1f5e-58c5-5d9f-9d63-3d7a2a4b6b1e")
_DUMMY_DATE, _DUMMY_TIME = "19000101", "000000"

_KEPT = (
    "SOPClassUID", "Modality", "ImageType", "InstanceNumber", "SeriesNumber", "Rows", "Columns",
    "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness",
    "SpacingBetweenSlices", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation",
)  # fmt: skip
_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_KEPT_GROUPS = ("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence")
# Of the objects themselves: when they were made is when the patient was a patient.
_DATES = ("ContentDate", "SeriesDate", "StructureSetDate", "InstanceCreationDate")
_TIMES = ("ContentTime", "SeriesTime", "StructureSetTime", "InstanceCreationTime")


def deidentified(sources: SourceImages) -> SourceImages:
    """The same images by other names."""
    return SourceImages(tuple(_reduced(dataset) for dataset in sources.datasets), sources.frames)


def mark_deidentified(dataset: Dataset) -> None:
    """Say in an object that it was deidentified, and how; put dummies for its dates."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "DICOM PS3.15 E.1 basic profile, by pleura"
    items = []
    for value, meaning in _METHODS:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    dataset.DeidentificationMethodCodeSequence = items
    dataset.walk(_undated)


def new_uid(uid: str) -> UID:
    """Another UID, the same for the same one (PS3.5 B.2: 2.25 and a UUID)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, str(uid)).int}")


def _undated(_: Dataset, element: Any) -> None:
    if element.keyword in _DATES or element.VR == "DA":
        element.value = _DUMMY_DATE if element.value else ""
    elif element.keyword in _TIMES or element.VR == "TM":
        element.value = _DUMMY_TIME if element.value else ""
    elif element.VR == "DT":
        element.value = _DUMMY_DATE + _DUMMY_TIME if element.value else ""


def _reduced(dataset: Dataset) -> Dataset:
    reduced = Dataset()
    for name in _KEPT:
        if name in dataset:
            setattr(reduced, name, dataset[name].value)
    for name in _UIDS:
        if dataset.get(name):
            setattr(reduced, name, new_uid(dataset[name].value))
    for name in PATIENT_AND_STUDY:
        setattr(reduced, name, "")
    for name in _GROUPS:
        if name in dataset:
            setattr(reduced, name, [_reduced_group(group) for group in dataset[name].value])
    return reduced


def _reduced_group(group: Dataset) -> Dataset:
    kept = Dataset()
    for name in _KEPT_GROUPS:
        if name in group:
            item = Dataset()
            for element in group[name].value[0]:
                if element.keyword in _KEPT:
                    item.add(element)
            setattr(kept, name, [item])
    return kept
