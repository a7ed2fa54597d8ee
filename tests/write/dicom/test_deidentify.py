"""Nothing of the patient is in a deidentified object's bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from pleura.labels import AIRWAY_LABELS
from pleura.read import read
from pleura.volume import Mask
from pleura.write.dicom.deidentify import new_uid
from pleura.write.dicom.objects import DicomObjects
from tests.dicom_phantom import write_multiframe
from tests.phantom import chest
from tests.tools import dicom_errors
from tests.write.dicom.series import ORIGIN, SECRETS, Scan, phantom_scan

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
KINDS = ("seg", "rtstruct", "sr")
# Too short to be searched for among pixels; looked at by name below.
_SHORT = ("PatientSex", "PatientAge", "PatientWeight", "StudyTime")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return phantom_scan(tmp_path_factory.mktemp("who") / "ct")


def write(objects: DicomObjects, kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.dcm"
    if kind == "sr":
        objects.write_sr(path, "pass")
    else:
        getattr(objects, f"write_{kind}")(path)
    return path


def secrets_of(scan: Scan) -> list[bytes]:
    words = [w for k, v in SECRETS.items() if k not in _SHORT for w in v.split("^")]
    for file in scan.path.iterdir():
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        words += [ds[name].value for name in UIDS]
    return [word.encode() for word in words]


@pytest.mark.parametrize("kind", KINDS)
def test_bytes(scan: Scan, tmp_path: Path, kind: str) -> None:
    secrets = secrets_of(scan)
    plain = write(scan.objects(), kind, tmp_path).read_bytes()
    assert sum(secret in plain for secret in secrets) > 20, "the search must be able to find them"
    hidden = write(scan.objects(replace(ORIGIN, deidentify=True)), kind, tmp_path)
    data = hidden.read_bytes()
    assert [secret for secret in secrets if secret in data] == []
    assert dicom_errors(hidden) == set()
    ds = pydicom.dcmread(hidden)
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    for name in _SHORT:
        assert not ds.get(name)
    dates = []
    ds.walk(lambda _, e: dates.append(str(e.value)) if e.VR in ("DA", "DT", "TM") else None)
    assert set(dates) <= {"", "None", "19000101", "000000", "19000101000000"}


def test_objects_of_two_runs_fit_together(scan: Scan, tmp_path: Path) -> None:
    origin = replace(ORIGIN, deidentify=True)
    one, two = (pydicom.dcmread(write(scan.objects(origin), k, tmp_path)) for k in ("seg", "sr"))
    source = pydicom.dcmread(next(scan.path.iterdir()))
    assert one.StudyInstanceUID == two.StudyInstanceUID == new_uid(source.StudyInstanceUID)
    assert one.StudyInstanceUID != source.StudyInstanceUID


def test_multiframe(tmp_path: Path) -> None:
    phantom = chest((6, 48, 48), (40.0, 8.0, 8.0))
    write_multiframe(tmp_path / "ct.dcm", phantom.hu, phantom.geometry)
    volume = read(tmp_path / "ct.dcm")
    mask = Mask(phantom.labels, volume.geometry, AIRWAY_LABELS)
    origin = replace(ORIGIN, deidentify=True)
    path = write(DicomObjects(mask, volume, origin), "seg", tmp_path)
    source = pydicom.dcmread(tmp_path / "ct.dcm")
    assert all(source[name].value.encode() not in path.read_bytes() for name in UIDS)
    assert pydicom.dcmread(path).pixel_array.sum() == (mask.array > 0).sum()
