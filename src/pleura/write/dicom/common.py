"""What DICOM objects of a mask have in common: codes, origin, patient and study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from pleura.labels import AIRWAY_LABELS, AIRWAYS, LEFT, MERGED_LABELS, RIGHT
from pleura.record import versions
from pleura.volume import Mask

MANUFACTURER = "pleura"
NOTICE = "For research, not a medical device."
SERIES_OFFSET = 1000  # our series' numbers, away from a scanner's own

ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
LUNG = Code("39607008", "SCT", "Lung")
_BOTH = Code("51440002", "SCT", "Right and left")


@dataclass(frozen=True)
class Structure:
    """A label in DICOM's words (SNOMED CT), and its name in radiotherapy (AAPM TG-263)."""

    name: str
    kind: Code
    side: Code | None
    rt_name: str


_STRUCTURES: Mapping[str, Structure] = MappingProxyType(
    {
        AIRWAY_LABELS[RIGHT]: Structure(
            "Right lung", LUNG, Code("24028007", "SCT", "Right"), "Lung_R"
        ),
        AIRWAY_LABELS[LEFT]: Structure("Left lung", LUNG, Code("7771000", "SCT", "Left"), "Lung_L"),
        AIRWAY_LABELS[AIRWAYS]: Structure(
            "Trachea and main bronchi",
            Code("110726009", "SCT", "Trachea and bronchus"),
            None,
            "Trachea_Bronchi",
        ),
        MERGED_LABELS[RIGHT]: Structure("Lungs", LUNG, _BOTH, "Lungs"),
    }
)


@dataclass(frozen=True)
class Origin:
    """Who made a mask, as it is written into the objects.

    Args:
        model, version: of the network.
        sha256: of its weights.
        deidentify: leave out what tells who the patient is, see `deidentify`.
    """

    model: str
    version: str
    sha256: str
    deidentify: bool = False

    @property
    def software(self) -> str:
        return versions()["pleura"]

    @property
    def serial(self) -> str:
        """Weights make two devices different, as a serial number should."""
        return self.sha256[:16]


def structures_of(mask: Mask) -> Mapping[int, Structure]:
    """The mask's labels, empty ones as well."""
    return {number: _STRUCTURES[name] for number, name in sorted(mask.labels.items())}


def coded(code: Code) -> Dataset:
    """A code as an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code.value, code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


# Patient and study of PS3.3 C.7.1.1 and C.7.2.1; those of type 2 must be there, if empty.
PATIENT_AND_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyID", "ReferringPhysicianName",
)  # fmt: skip


def series_number_of(source: Dataset) -> int:
    """A number for our series beside the source's."""
    number = source.get("SeriesNumber")
    return SERIES_OFFSET + (int(number) if number is not None and 0 <= int(number) < 10**6 else 0)


def file_bytes(dataset: Any) -> bytes:
    """A DICOM file (PS3.10) in memory."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
