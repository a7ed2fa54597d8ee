"""Every DICOM file under some folders: CT series, their slices, and the files that hold masks.

A PatientID is read only to tell patients apart, and kept as the beginning of its SHA-256.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from pleura.lab.mask_objects import SEGMENTATION, STRUCTURE_SET
from pleura.read.check import checked
from pleura.read.dicom import read_dicom
from pleura.read.dicom_headers import MEDIA_DIRECTORY, find_files
from pleura.read.dicom_values import text_of
from pleura.volume import Volume

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID",
    "FrameOfReferenceUID", "PatientID",
)  # fmt: skip


@dataclass(frozen=True)
class CTSeries:
    """One CT series: its UIDs and its files, wherever they lie.

    Args:
        patient: the first 12 digits of the PatientID's SHA-256, "" without one.
    """

    uid: str
    study: str
    frame_of_reference: str
    patient: str = ""
    files: list[Path] = field(default_factory=list)

    def read(self) -> Volume:
        """The series' scan; raises as `pleura.read` does."""
        return checked(read_dicom(self.files[0].parent, self.uid, self.files))


@dataclass(frozen=True)
class DicomIndex:
    """CT series by UID, the series of each slice, and the SEG and RTSTRUCT files."""

    series: dict[str, CTSeries] = field(default_factory=dict)
    series_of_instance: dict[str, str] = field(default_factory=dict)
    masks: list[Path] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)


def holds_dicom(folder: Path) -> bool:
    """True as soon as one file with a DICOM preamble is found."""
    return next(_dicom_files([folder]), None) is not None


def index(folders: Iterable[Path]) -> DicomIndex:
    """Read the identifying headers of all DICOM files; about a millisecond each."""
    found = DicomIndex()
    for path in _dicom_files(folders):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_TAGS])
            _sort_in(path, ds, found)
        except Exception:  # pydicom raises many kinds on a damaged header
            found.damaged.append(path)
    return found


def _sort_in(path: Path, ds: pydicom.Dataset, found: DicomIndex) -> None:
    kind = text_of(ds, "SOPClassUID")
    if kind in SEGMENTATION or kind == STRUCTURE_SET:
        found.masks.append(path)
    elif text_of(ds, "Modality") == "CT":
        uid = text_of(ds, "SeriesInstanceUID")
        series = found.series.get(uid)
        if series is None:
            frame = text_of(ds, "FrameOfReferenceUID")
            study, patient = text_of(ds, "StudyInstanceUID"), _short_hash(text_of(ds, "PatientID"))
            series = found.series[uid] = CTSeries(uid, study, frame, patient)
        series.files.append(path)
        found.series_of_instance[text_of(ds, "SOPInstanceUID")] = uid
    elif not kind and text_of(ds.file_meta, "MediaStorageSOPClassUID") != MEDIA_DIRECTORY:
        found.damaged.append(path)


def _short_hash(identifier: str) -> str:
    return identifier and hashlib.sha256(identifier.encode(errors="replace")).hexdigest()[:12]


def _dicom_files(folders: Iterable[Path]) -> Iterator[Path]:
    for path in (path for folder in folders for path in find_files(folder)):
        try:
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM":
                    yield path
        except OSError:
            continue
