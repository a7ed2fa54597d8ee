"""A DICOM SEG comes back voxel for voxel through dcmqi, and dciodvfy finds no error in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from pleura.errors import UnreadableError, UsageError
from pleura.labels import AIRWAY_LABELS, MERGED_LABELS, PLEURA_LABELS
from pleura.read import read
from pleura.volume import Mask, Volume
from pleura.write.dicom.objects import DicomObjects
from tests.dicom_phantom import write_multiframe
from tests.grids import rotation
from tests.phantom import chest
from tests.tools import dicom_errors, run_tool
from tests.write.dicom.series import ORIGIN, SECRETS, Scan, image_array, phantom_scan, real_scan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return phantom_scan(tmp_path_factory.mktemp("seg") / "ct")


def written(scan: Scan, folder: Path) -> Path:
    path = folder / "mask.dcm"
    scan.objects().write_seg(path)
    return path


def segments_by_dcmqi(path: Path, scan: Scan) -> dict[int, np.ndarray]:
    folder = path.parent / "dcmqi"
    folder.mkdir()
    run_tool(
        "segimage2itkimage", "--inputDICOM", path, "--outputDirectory", folder, "--prefix", "s",
        "--outputType", "nrrd",
    )  # fmt: skip
    files = sorted(folder.glob("s-*.nrrd"))
    assert files, "dcmqi wrote nothing"
    return {int(file.stem.split("-")[1]): image_array(file, scan) for file in files}


def assert_comes_back(scan: Scan, folder: Path) -> Path:
    path = written(scan, folder)
    segments = segments_by_dcmqi(path, scan)
    present = [n for n in scan.mask.labels if (scan.mask.array == n).any()]
    assert sorted(segments) == present
    for number, array in segments.items():
        np.testing.assert_array_equal(array, scan.mask.array == number)
    return path


def test_phantom(scan: Scan, tmp_path: Path) -> None:
    path = assert_comes_back(scan, tmp_path)
    assert dicom_errors(path) == set()


def test_real_series(shared_data: Path, tmp_path: Path) -> None:
    scan = real_scan(shared_data)
    path = assert_comes_back(scan, tmp_path)
    source = next(file for file in sorted(scan.path.iterdir()) if file.suffix == ".dcm")
    assert dicom_errors(path) <= dicom_errors(source)
    assert dicom_errors(source), "the source was to be one with an incomplete reference"


def test_what_it_says(scan: Scan, tmp_path: Path) -> None:
    seg = pydicom.dcmread(written(scan, tmp_path))
    assert seg.SegmentationType == "BINARY" and seg.SOPClassUID == hd.UID(
        "1.2.840.10008.5.1.4.1.1.66.4"
    )
    right, left, airways = seg.SegmentSequence
    kinds = [s.SegmentedPropertyTypeCodeSequence[0] for s in (right, left, airways)]
    assert [k.CodeValue for k in kinds] == ["39607008", "39607008", "110726009"]
    sides = [k.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue for k in kinds[:2]]
    assert sides == ["24028007", "7771000"]
    assert "SegmentedPropertyTypeModifierCodeSequence" not in kinds[2]
    for segment in (right, left, airways):
        category = segment.SegmentedPropertyCategoryCodeSequence[0]
        assert (category.CodeValue, category.CodingSchemeDesignator) == ("91723000", "SCT")
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("pleura lungs", "9.9.9")
    for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber"):
        assert str(seg[name].value) == SECRETS[name]
    sources = [pydicom.dcmread(file) for file in sorted(scan.path.iterdir())]
    assert seg.StudyInstanceUID == sources[0].StudyInstanceUID
    assert seg.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert seg.SeriesInstanceUID != sources[0].SeriesInstanceUID
    referenced = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {r.ReferencedSOPInstanceUID for r in referenced} == {s.SOPInstanceUID for s in sources}


def test_frames_lie_where_the_slices_do(tmp_path: Path) -> None:
    """A tilted gantry makes a sheared grid, which dcmqi can't read; each frame has its place."""
    phantom = chest((8, 48, 48), (30.0, 8.0, 8.0))
    affine = phantom.geometry.affine.copy()
    affine[1, 2] = 6.0
    from pleura.volume import Geometry
    from tests.dicom_phantom import write_series

    write_series(tmp_path / "ct", phantom.hu, Geometry(phantom.geometry.shape_zyx, affine))
    volume = read(tmp_path / "ct")
    scan = Scan(tmp_path / "ct", volume, Mask(phantom.labels, volume.geometry, AIRWAY_LABELS))
    seg = pydicom.dcmread(written(scan, tmp_path))
    frames = seg.pixel_array
    inverse, seen = np.linalg.inv(volume.geometry.affine), 0
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        position = group.PlanePositionSequence[0].ImagePositionPatient
        x, y, z = (inverse @ [*map(float, position), 1.0])[:3]
        assert abs(x) < 1e-3 and abs(y) < 1e-3 and abs(z - round(z)) < 1e-3
        np.testing.assert_array_equal(frame > 0, scan.mask.array[round(z)] == number)
        seen += 1
    assert seen == sum((scan.mask.array == n).any(axis=(1, 2)).sum() for n in (1, 2, 3))


@pytest.mark.parametrize(("degrees", "axis"), [(90.0, 0), (180.0, 1), (25.0, 2)])
def test_other_orientations(tmp_path: Path, degrees: float, axis: int) -> None:
    from pleura.volume import Geometry
    from tests.dicom_phantom import write_series

    phantom = chest((10, 48, 48), (24.0, 8.0, 8.0))
    affine = phantom.geometry.affine.copy()
    affine[:3, :3] = rotation(degrees, axis) @ affine[:3, :3]
    write_series(tmp_path / "ct", phantom.hu, Geometry(phantom.geometry.shape_zyx, affine))
    volume = read(tmp_path / "ct")
    labels = phantom.labels
    if not np.allclose(volume.geometry.affine, affine, atol=1e-3):  # slices run along their normal
        labels = labels[::-1]
    assert_comes_back(
        Scan(tmp_path / "ct", volume, Mask(labels, volume.geometry, AIRWAY_LABELS)), tmp_path
    )


def test_multiframe_in_another_order(tmp_path: Path) -> None:
    phantom = chest((10, 48, 48), (24.0, 8.0, 8.0))
    order = list(np.random.default_rng(1).permutation(10))
    write_multiframe(tmp_path / "ct.dcm", phantom.hu, phantom.geometry, order=order)
    volume = read(tmp_path / "ct.dcm")
    assert [volume.instances[k][1] for k in range(10)] == [order.index(k) for k in range(10)]
    scan = Scan(tmp_path, volume, Mask(phantom.labels, volume.geometry, AIRWAY_LABELS))
    assert_comes_back(scan, tmp_path)


def test_zip(scan: Scan, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "scan"), "zip", scan.path))
    volume = read(archive)
    packed = Scan(archive, volume, Mask(scan.mask.array, volume.geometry, scan.mask.labels))
    assert_comes_back(packed, tmp_path)


def test_merged_and_empty(scan: Scan, tmp_path: Path) -> None:
    lungs = (scan.mask.array > 0).astype(np.uint8)
    merged = Mask(lungs, scan.mask.geometry, MERGED_LABELS)
    path = assert_comes_back(Scan(scan.path, scan.volume, merged), tmp_path)
    kind = pydicom.dcmread(path).SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right and left"
    empty = Mask(lungs * 0, scan.mask.geometry, PLEURA_LABELS)
    DicomObjects(empty, scan.volume, ORIGIN).write_seg(tmp_path / "empty.dcm")
    assert not pydicom.dcmread(tmp_path / "empty.dcm").pixel_array.any()
    assert dicom_errors(tmp_path / "empty.dcm") == set()


def test_names_in_other_alphabets(tmp_path: Path) -> None:
    names = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Ωμέγα^Άλφα"}
    scan = phantom_scan(tmp_path / "ct", overrides=names)
    assert str(pydicom.dcmread(written(scan, tmp_path)).PatientName) == "Ωμέγα^Άλφα"


def test_missing_attributes(tmp_path: Path) -> None:
    lacking = dict.fromkeys(("PatientName", "PatientID", "StudyDate", "AccessionNumber"))
    scan = phantom_scan(tmp_path / "ct", overrides=lacking)
    assert dicom_errors(written(scan, tmp_path)) == set()
    nameless = phantom_scan(tmp_path / "nameless", overrides={"StudyInstanceUID": None})
    with pytest.raises(UsageError, match="no StudyInstanceUID"):
        nameless.objects().write_seg(tmp_path / "no.dcm")
    assert not (tmp_path / "no.dcm").exists()


def test_no_dicom(tmp_path: Path, scan: Scan) -> None:
    memory = Volume(scan.volume.array, scan.volume.geometry)
    with pytest.raises(UsageError, match="this image is no DICOM"):
        DicomObjects(scan.mask, memory, ORIGIN).write_seg(tmp_path / "no.dcm")


def test_the_scan_went_away_or_moved(tmp_path: Path) -> None:
    scan = phantom_scan(tmp_path / "ct", names="numbered")
    first, second = tmp_path / "ct" / "0001.dcm", tmp_path / "ct" / "0002.dcm"
    shutil.copy(second, first)
    with pytest.raises(UnreadableError, match="changed since"):
        scan.objects().write_seg(tmp_path / "no.dcm")
    first.unlink()
    with pytest.raises(UnreadableError, match="can't be read again"):
        scan.objects().write_seg(tmp_path / "no.dcm")


def test_metadata_for_dcmqi(scan: Scan, tmp_path: Path) -> None:
    """dcmqi understands what the segments are."""
    path = written(scan, tmp_path)
    segments_by_dcmqi(path, scan)
    told = json.loads(next((tmp_path / "dcmqi").glob("*.json")).read_text())
    labels = {s["SegmentLabel"] for group in told["segmentAttributes"] for s in group}
    assert labels == {"Right lung", "Left lung", "Trachea and main bronchi"}
