"""`read_dicom`: geometry and voxels of plain, odd and broken series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.fileset import FileSet

from pleura.errors import GeometryError, NotCTError, UnreadableError
from pleura.read.dicom import read_dicom, scan_folder
from pleura.volume import Geometry, Volume
from tests.dicom_phantom import write_multiframe, write_series

HU = npt.NDArray[np.int16]
OBLIQUE = np.array([[0.96, 0.28, 0.0], [-0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]) @ np.array(
    [[1.0, 0.0, 0.0], [0.0, 0.8, -0.6], [0.0, 0.6, 0.8]]
)


@pytest.fixture
def hu() -> HU:
    """6 x 10 x 12, every voxel different from its neighbours."""
    return np.random.default_rng(0).integers(-1024, 1500, (6, 10, 12), dtype=np.int16)


def codes(volume: Volume) -> set[str]:
    return {finding.code for finding in volume.findings}


def message(volume: Volume, code: str) -> str:
    return next(f.message for f in volume.findings if f.code == code)


def series_reader(folder: Path, uid: str) -> sitk.Image:
    """The oracle."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))
    image: sitk.Image = reader.Execute()
    return image


def assert_same(volume: Volume, image: sitk.Image) -> None:
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    geometry = volume.geometry
    np.testing.assert_allclose(geometry.spacing_zyx_mm[::-1], image.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(geometry.origin_lps_mm, image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(geometry.direction_lps.ravel(), image.GetDirection(), atol=1e-5)


@pytest.mark.parametrize("suffix", [".dcm", "", ".IMA"])
def test_any_order_and_suffix(tmp_path: Path, hu: HU, suffix: str) -> None:
    geometry = Geometry.from_parts(hu.shape, (2.5, 0.7, 0.8), (-10, 20, -300.5))
    write_series(tmp_path, hu, geometry, suffix=suffix)
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert volume.array.dtype == np.int16
    assert volume.geometry.matches(geometry)
    assert volume.geometry.is_orthogonal
    assert (volume.format, volume.source, volume.findings) == ("dicom", tmp_path, ())


@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE, np.diag([-1.0, 1.0, -1.0])])
def test_agrees_with_the_series_reader(tmp_path: Path, hu: HU, direction: HU) -> None:
    geometry = Geometry.from_parts(hu.shape, (3, 0.7, 0.8), (-10, 20, -300.5), direction)
    uid = write_series(tmp_path, hu, geometry)
    assert_same(read_dicom(tmp_path), series_reader(tmp_path, uid))


def test_agrees_with_the_series_reader_on_a_real_scan(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "lungdx0001"
    volume = read_dicom(folder)
    uid = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))[0]
    assert_same(volume, series_reader(folder, uid))
    assert volume.array.shape == (64, 512, 512)


def test_sub_folders_and_foreign_files(tmp_path: Path, hu: HU) -> None:
    geometry = Geometry.from_parts(hu.shape, (2, 1, 1))
    write_series(tmp_path / "a" / "b", hu, geometry, names="numbered")
    (tmp_path / "c").mkdir()
    for file in sorted((tmp_path / "a" / "b").iterdir())[3:]:
        file.rename(tmp_path / "c" / file.name)
    (tmp_path / "notes.txt").write_text("no DICOM here")
    (tmp_path / "empty.dcm").touch()
    directory = pydicom.Dataset()
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    directory.DirectoryRecordSequence = []
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    np.testing.assert_array_equal(read_dicom(tmp_path).array, hu)


def test_a_file_without_preamble(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu)
    for file in list(tmp_path.iterdir()):
        ds = pydicom.dcmread(file)
        del ds.file_meta
        ds.preamble = None
        pydicom.dcmwrite(file, ds, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert file.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_dicom(tmp_path).array, hu)


def test_gantry_tilt_shears_the_grid(tmp_path: Path, hu: HU) -> None:
    affine = np.diag([0.8, 0.8, 5.0, 1.0])
    affine[1, 2] = -1.5
    write_series(tmp_path, hu, Geometry(hu.shape, affine))
    volume = read_dicom(tmp_path)
    np.testing.assert_allclose(volume.geometry.affine, affine, atol=1e-9)
    assert not volume.geometry.is_orthogonal
    assert "16.7 degrees" in message(volume, "gantry_tilt")


def test_rounded_positions_are_no_tilt(tmp_path: Path, hu: HU) -> None:
    geometry = Geometry.from_parts(hu.shape, (5, 0.8, 0.8))
    write_series(tmp_path, hu, geometry, per_slice=lambda k: {
        "ImagePositionPatient": [0.001 * (k % 2), 0, 5 * k]
    })  # fmt: skip
    volume = read_dicom(tmp_path)
    assert volume.geometry.is_orthogonal
    assert not volume.findings


def test_slices_beside_the_line(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu, per_slice=lambda k: {
        "ImagePositionPatient": [4.0 if k == 2 else 0.0, 0, k]
    })  # fmt: skip
    assert "up to 4.0 mm" in message(read_dicom(tmp_path), "slices_shifted")


def test_a_missing_slice(tmp_path: Path, hu: HU) -> None:
    geometry = Geometry.from_parts(hu.shape, (2, 1, 1), (0, 0, -100))
    write_series(tmp_path, hu, geometry, names="numbered")
    (tmp_path / "0004.dcm").unlink()
    volume = read_dicom(tmp_path)
    assert volume.array.shape == (5, 10, 12)
    assert "1 slice missing between -96.0 and -92.0 mm" in message(volume, "missing_slices")
    assert "uneven_spacing" not in codes(volume)
    assert volume.geometry.spacing_zyx_mm[0] == pytest.approx(2.5)  # whole extent kept


def test_uneven_spacing(tmp_path: Path, hu: HU) -> None:
    depths = [0, 2, 4, 6, 9, 11]
    write_series(tmp_path, hu, per_slice=lambda k: {"ImagePositionPatient": [0, 0, depths[k]]})
    volume = read_dicom(tmp_path)
    assert "from 2.00 to 3.00 mm (2.00 mm 4 times, 3.00 mm once)" in message(
        volume, "uneven_spacing"
    )
    assert "missing_slices" not in codes(volume)


def test_duplicates_keep_the_first_instance(tmp_path: Path, hu: HU) -> None:
    uid = write_series(tmp_path, hu, study_uid="1.2")
    write_series(
        tmp_path, hu[2:4] + 1, suffix=".copy", study_uid="1.2",
        overrides={"SeriesInstanceUID": uid, "FrameOfReferenceUID": None},
        per_slice=lambda k: {"InstanceNumber": 50 + k, "ImagePositionPatient": [0, 0, k + 2]},
    )  # fmt: skip
    reference = pydicom.dcmread(next(tmp_path.glob("*.dcm"))).FrameOfReferenceUID
    for file in tmp_path.glob("*.copy"):
        ds = pydicom.dcmread(file)
        ds.FrameOfReferenceUID = reference
        ds.save_as(file)
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert "8 slices share 6 positions" in message(volume, "duplicate_slices")


def test_two_phases_give_the_most_complete_one(tmp_path: Path, hu: HU) -> None:
    common = {"FrameOfReferenceUID": "1.2.3", "StudyInstanceUID": "1.2"}
    uid = write_series(tmp_path, hu[:5], overrides=common)  # acquisition 1 lacks a slice
    write_series(
        tmp_path, hu + 1, suffix=".second",
        overrides={**common, "SeriesInstanceUID": uid, "AcquisitionNumber": 2},
    )  # fmt: skip
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu + 1)
    assert "only acquisition 2 (6 slices)" in message(volume, "duplicate_slices")


def test_all_slices_at_one_position_are_one_slice(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu, overrides={"ImagePositionPatient": [0, 0, 7]})
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu[:1])
    assert "one position" in message(volume, "duplicate_slices")


def test_eight_slices_at_one_position_have_lost_theirs(tmp_path: Path, hu: HU) -> None:
    overrides = {"ImagePositionPatient": [0, 0, 7]}
    write_series(tmp_path / "seven", np.resize(hu, (7, *hu.shape[1:])), overrides=overrides)
    write_series(tmp_path / "eight", np.resize(hu, (8, *hu.shape[1:])), overrides=overrides)
    (seven,) = read_dicom(tmp_path / "seven").findings
    (eight,) = read_dicom(tmp_path / "eight").findings
    assert (seven.code, seven.severity) == ("duplicate_slices", "warn")
    assert (eight.code, eight.severity) == ("duplicate_slices", "fail")
    assert "8 slices share one position (7.0 mm)" in eight.message
    assert "positions were probably lost; export the series again" in eight.message


def test_a_media_directory_is_passed_over(tmp_path: Path, hu: HU) -> None:
    """As media have it: its class stands in the file meta information only."""
    write_series(tmp_path / "scan", hu)
    media = FileSet()
    for file in (tmp_path / "scan").iterdir():
        ds = pydicom.dcmread(file)
        ds.StudyID = ds.AccessionNumber = "1"
        media.add(ds)
    media.write(tmp_path / "media")
    assert "SOPClassUID" not in pydicom.dcmread(tmp_path / "media" / "DICOMDIR")
    volume = read_dicom(tmp_path / "media")
    np.testing.assert_array_equal(volume.array, hu)
    assert volume.findings == ()


def test_a_file_of_its_own_ignores_its_siblings(tmp_path: Path, hu: HU) -> None:
    geometry = Geometry.from_parts(hu.shape, (2.5, 0.7, 0.8), (1, 2, 3))
    write_series(tmp_path, hu, geometry, names="numbered")
    volume = read_dicom(tmp_path / "0003.dcm")
    np.testing.assert_array_equal(volume.array, hu[2:3])
    assert volume.geometry.origin_lps_mm == pytest.approx((1, 2, 8))
    assert volume.geometry.spacing_zyx_mm == pytest.approx((2.5, 0.7, 0.8))
    assert not volume.findings


@pytest.mark.parametrize(
    ("overrides", "step", "code"),
    [
        ({"SliceThickness": None, "SpacingBetweenSlices": 4}, 4.0, set()),
        ({"SliceThickness": None}, 1.0, {"slice_spacing_assumed"}),
        ({"SliceThickness": 0}, 1.0, {"slice_spacing_assumed"}),
    ],
)
def test_step_of_a_single_slice(
    tmp_path: Path, hu: HU, overrides: dict[str, object], step: float, code: set[str]
) -> None:
    write_series(tmp_path, hu[:1], overrides=overrides)
    volume = read_dicom(tmp_path)
    assert volume.geometry.spacing_zyx_mm[0] == pytest.approx(step)
    assert codes(volume) == code


@pytest.mark.parametrize(
    "overrides",
    [
        {"PixelSpacing": None},
        {"PixelSpacing": [0, 1]},
        {"ImagePositionPatient": None},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
    ],
)
def test_no_grid(tmp_path: Path, hu: HU, overrides: dict[str, object]) -> None:
    write_series(tmp_path, hu, overrides=overrides)
    with pytest.raises(GeometryError):
        read_dicom(tmp_path)


def test_a_single_slice_without_position_is_assumed_axial(tmp_path: Path, hu: HU) -> None:
    write_series(
        tmp_path, hu[:1], overrides={"ImagePositionPatient": None, "ImageOrientationPatient": None}
    )
    volume = read_dicom(tmp_path)
    assert codes(volume) == {"position_assumed"}
    np.testing.assert_allclose(volume.geometry.direction_lps, np.eye(3))


@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "RLELossless"])
@pytest.mark.parametrize("slopes", [None, [(1, -1024), (2, -3000), (0.5, 0), (1, 10)]])
def test_enhanced_multi_frame(
    tmp_path: Path, syntax: str, slopes: list[tuple[float, float]] | None
) -> None:
    hu = 2 * np.random.default_rng(1).integers(-500, 500, (4, 8, 9), dtype=np.int16)
    geometry = Geometry.from_parts(hu.shape, (3, 0.7, 0.8), (5, 6, 7), OBLIQUE)
    file = tmp_path / "enhanced.dcm"
    write_multiframe(
        file, hu, geometry, order=[2, 0, 3, 1], rescale=slopes,
        transfer_syntax=getattr(pydicom.uid, syntax),
    )  # fmt: skip
    for path in (file, tmp_path):
        volume = read_dicom(path)
        np.testing.assert_array_equal(volume.array, hu)
        assert volume.geometry.matches(geometry)
        assert not volume.findings


def test_not_ct(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu, modality="MR")
    with pytest.raises(NotCTError, match="modality MR, not CT"):
        read_dicom(tmp_path)


def test_a_colour_picture_is_not_ct(tmp_path: Path, hu: HU) -> None:
    write_series(
        tmp_path, hu[:1], overrides={"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    )
    with pytest.raises(NotCTError, match="colour"):
        read_dicom(tmp_path)


@pytest.mark.parametrize("rows", ["Rows", "PixelData"])
def test_no_pixels(tmp_path: Path, hu: HU, rows: str) -> None:
    write_series(tmp_path, hu, overrides={rows: None})
    with pytest.raises(UnreadableError, match="no pixel data"):
        read_dicom(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="empty folder"):
        read_dicom(tmp_path)
    (tmp_path / "notes.dcm").write_bytes(b"\x08\x00" + bytes(range(256)))
    with pytest.raises(UnreadableError, match="no DICOM file"):
        read_dicom(tmp_path)
    with pytest.raises(UnreadableError, match="is no DICOM file"):
        read_dicom(tmp_path / "notes.dcm")
    with pytest.raises(UnreadableError, match="does not exist"):
        read_dicom(tmp_path / "missing")


def test_garbage_after_the_preamble(tmp_path: Path) -> None:
    file = tmp_path / "x.dcm"
    file.write_bytes(bytes(128) + b"DICM" + np.random.default_rng(0).bytes(3000))
    with pytest.raises(UnreadableError, match="readable header"):
        read_dicom(file)


@pytest.mark.parametrize("part", [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
@pytest.mark.parametrize(
    "syntax", ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "RLELossless"]
)
def test_a_file_cut_off_anywhere(tmp_path: Path, hu: HU, part: float, syntax: str) -> None:
    write_series(tmp_path, hu[:1], names="numbered", transfer_syntax=getattr(pydicom.uid, syntax))
    whole = (tmp_path / "0001.dcm").read_bytes()
    (tmp_path / "0001.dcm").write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(UnreadableError):
        read_dicom(tmp_path)


def test_one_cut_off_slice_spoils_its_series(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu, names="numbered")
    whole = (tmp_path / "0006.dcm").read_bytes()
    (tmp_path / "0006.dcm").write_bytes(whole[:-20])
    with pytest.raises(UnreadableError, match=r"'0006\.dcm' is cut off"):
        read_dicom(tmp_path)


def test_files_with_a_lost_header_are_reported(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu, names="numbered")
    (tmp_path / "0006.dcm").write_bytes(bytes(128) + b"DICM" + bytes(50))
    volume = read_dicom(tmp_path)
    assert len(volume.array) == 5
    assert "'0006.dcm'" in message(volume, "unreadable_files")


def test_a_frame_count_that_lies_is_refused_quickly(tmp_path: Path, hu: HU) -> None:
    write_multiframe(tmp_path / "x.dcm", hu)
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    ds.NumberOfFrames = 2**31 - 1
    ds.save_as(tmp_path / "x.dcm")
    with pytest.raises(UnreadableError):
        read_dicom(tmp_path)


def test_a_plane_over_the_limit(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, np.zeros((1, 1, 8193)))
    with pytest.raises(GeometryError, match="8193 voxels"):
        read_dicom(tmp_path)


def test_patient_attributes_stay_out(tmp_path: Path, hu: HU) -> None:
    write_series(tmp_path, hu)
    volume = read_dicom(tmp_path)
    assert "PHANTOM" not in repr([volume.findings, volume.series, scan_folder(tmp_path)])


def test_real_multi_frame(shared_data: Path, tmp_path: Path) -> None:
    """A map of blood flow, read as if it were a CT: its frames lie in a real file's order."""
    ds = pydicom.dcmread(shared_data / "odd" / "enhanced_multiframe" / "eCT_Supplemental.dcm")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared = ds.SharedFunctionalGroupsSequence[0]
    shared.CTImageFrameTypeSequence[0].FrameType = ds.ImageType
    ds.save_as(tmp_path / "x.dcm")
    volume = read_dicom(tmp_path)
    assert volume.array.shape == (2, 512, 512)
    assert volume.geometry.spacing_zyx_mm == pytest.approx((10, 0.388672, 0.388672))
    # Rows run to the right, so the normal points to the feet: the upper frame is the first.
    assert volume.geometry.origin_lps_mm == pytest.approx((99.5, -301.5, -149))
    np.testing.assert_array_equal(volume.array, ds.pixel_array[::-1].astype(int) - 1024)
