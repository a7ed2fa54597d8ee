"""An RTSTRUCT is rasterised by plastimatch to the mask it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from pleura.labels import PLEURA_LABELS
from pleura.volume import Mask
from pleura.write.dicom.objects import DicomObjects
from tests.tools import dicom_errors, run_tool
from tests.write.dicom.series import ORIGIN, SECRETS, Scan, phantom_scan, real_scan

NAMES = {1: "Lung_R", 2: "Lung_L", 3: "Trachea_Bronchi"}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return phantom_scan(tmp_path_factory.mktemp("rt") / "ct")


def written(scan: Scan, folder: Path) -> Path:
    path = folder / "mask.rtstruct.dcm"
    scan.objects().write_rtstruct(path)
    return path


def by_plastimatch(path: Path, scan: Scan) -> dict[int, np.ndarray]:
    run_tool(
        "plastimatch", "convert", "--input", path, "--referenced-ct", scan.path,
        "--output-prefix", path.parent / "pm", "--prefix-format", "nrrd",
    )  # fmt: skip
    found = {}
    for number, name in NAMES.items():
        file = path.parent / "pm" / f"{name}.nrrd"
        if file.exists():
            found[number] = sitk.GetArrayFromImage(sitk.ReadImage(str(file))) > 0
    assert found, "plastimatch wrote nothing"
    return found


def test_phantom(scan: Scan, tmp_path: Path) -> None:
    path = written(scan, tmp_path)
    for number, array in by_plastimatch(path, scan).items():
        np.testing.assert_array_equal(array, scan.mask.array == number)
    assert dicom_errors(path) == set()


def test_real_series(shared_data: Path, tmp_path: Path) -> None:
    scan = real_scan(shared_data)
    path = written(scan, tmp_path)
    found = by_plastimatch(path, scan)
    assert sorted(found) == [1, 2]
    for number, array in found.items():
        inside = scan.mask.array == number
        assert 2 * (array & inside).sum() / (array.sum() + inside.sum()) >= 0.9999
    assert dicom_errors(path) == set()


def test_what_it_says(scan: Scan, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(scan, tmp_path))
    assert [roi.ROIName for roi in ds.StructureSetROISequence] == list(NAMES.values())
    assert {roi.ROIGenerationAlgorithm for roi in ds.StructureSetROISequence} == {"AUTOMATIC"}
    assert str(ds.PatientName) == SECRETS["PatientName"]
    sources = {pydicom.dcmread(f).SOPInstanceUID: f for f in scan.path.iterdir()}
    referenced = set()
    for region in ds.ROIContourSequence:
        for contour in region.ContourSequence:
            (image,) = contour.ContourImageSequence
            place = pydicom.dcmread(sources[image.ReferencedSOPInstanceUID]).ImagePositionPatient[2]
            heights = set(contour.ContourData[2::3])
            assert heights == {place}, "a contour lies in its image's plane"
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints
            referenced.add(image.ReferencedSOPInstanceUID)
    frame = ds.ReferencedFrameOfReferenceSequence[0]
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert {i.ReferencedSOPInstanceUID for i in series.ContourImageSequence} == set(sources)
    assert referenced < set(sources)


def test_empty(scan: Scan, tmp_path: Path) -> None:
    empty = Mask(scan.mask.array * 0, scan.mask.geometry, PLEURA_LABELS)
    DicomObjects(empty, scan.volume, ORIGIN).write_rtstruct(tmp_path / "e.rtstruct.dcm")
    assert dicom_errors(tmp_path / "e.rtstruct.dcm") == set()
