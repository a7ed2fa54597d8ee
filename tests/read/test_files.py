"""NIfTI, NRRD, MetaImage, TIFF: the same scan in any of them gives the same volume."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import pleura
from pleura.errors import GeometryError, IntensityError, NotCTError, UnreadableError
from pleura.read.files import read_grid
from pleura.volume import Geometry, Volume, nibabel_image, sitk_image
from tests.grids import rotation
from tests.scans import names, save, tissue

SHAPE = (5, 12, 14)
GRID = Geometry.from_parts(
    SHAPE, (2.5, 0.75, 0.75), (-120.5, -99.25, 300.0), rotation(15, 0) @ rotation(8, 1)
)


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    return tissue(SHAPE)


def codes(volume: Volume) -> list[str]:
    """Of its findings; that these grids are far too small for a chest is not at stake here."""
    found = [finding.code for finding in volume.findings]
    return [code for code in found if code not in ("implausible_spacing", "thick_slices")]


def assert_same(volume: Volume, hu: np.ndarray, geometry: Geometry = GRID) -> None:
    assert volume.array.dtype == np.int16 and volume.array.flags.c_contiguous
    assert np.array_equal(volume.array, hu)
    assert volume.geometry.matches(geometry)


@pytest.mark.parametrize(
    "name",
    ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "A.NII", "A.NRRD", "a.nhdr",
     "Ä ñ 肺.nii.gz", "Ä ñ 肺.mha", "Ä ñ 肺.nrrd", "a.b c.mhd"],
)  # fmt: skip
def test_formats(tmp_path: Path, hu: np.ndarray, name: str) -> None:
    path = save(tmp_path / name, hu, GRID)
    volume = pleura.read(path)
    assert_same(volume, hu)
    assert volume.source == path and codes(volume) == ["oblique_grid"]
    kind = "nifti" if ".nii" in name.lower() else "metaimage" if ".m" in name else "nrrd"
    assert volume.format == kind
    assert (volume.header is not None) == (kind == "nifti")
    assert_same(pleura.read(str(path)), hu)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_compressed(tmp_path: Path, hu: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk_image(hu, GRID), str(path), useCompression=True)
    assert names(tmp_path) == ([path.name, "a.zraw"] if suffix == ".mhd" else [path.name])
    assert_same(pleura.read(path), hu)


@pytest.mark.parametrize("suffix", [".NII", ".Nii.GZ", ".MHA", ".MHD", ".Nrrd", ".TIFF"])
def test_upper_case(tmp_path: Path, hu: np.ndarray, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix.lower()}", hu[:1])
    volume = pleura.read(path.rename(tmp_path / f"A{suffix}"))
    assert np.array_equal(volume.array, hu[:1])


def test_as_luna16_has_it(tmp_path: Path, hu: np.ndarray) -> None:
    (tmp_path / "1.3.6.1.4.raw").write_bytes(hu.tobytes())
    (tmp_path / "1.3.6.1.4.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
        "Offset = -195.0 -195.0 -378.0\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n"
        "ElementSpacing = 0.76 0.76 2.5\nDimSize = 14 12 5\nElementType = MET_SHORT\n"
        "ElementDataFile = 1.3.6.1.4.raw\n"
    )
    expected = Geometry.from_parts(SHAPE, (2.5, 0.76, 0.76), (-195.0, -195.0, -378.0))
    assert_same(pleura.read(tmp_path / "1.3.6.1.4.mhd"), hu, expected)


def nifti(path: Path, array_xyz: np.ndarray, **fields: object) -> Path:
    image = nibabel.Nifti1Image(array_xyz, nibabel_image(np.zeros(SHAPE, np.int16), GRID).affine)
    image.set_qform(image.affine, 1)
    image.to_filename(path)
    if fields:  # nibabel would put the image's affine back
        raw = path.read_bytes()
        header = nibabel.Nifti1Header(raw[:348])
        for name, value in fields.items():
            header[name] = value
        path.write_bytes(header.binaryblock + raw[348:])
    return path


@pytest.mark.parametrize("dtype", ["<i4", ">i2", "<f4", ">f8", "<i8", "<u4"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_types(tmp_path: Path, hu: np.ndarray, dtype: str, suffix: str) -> None:
    if dtype == "<u4":
        hu = np.abs(hu)
        hu[0, 0, 0] = 3  # nothing below 0: only the types are at stake
    header = nibabel.Nifti1Header(endianness=dtype[0])
    header.set_data_dtype(dtype)
    affine = nibabel_image(np.zeros(SHAPE, np.int16), GRID).affine
    image = nibabel.Nifti1Image(hu.transpose(2, 1, 0).astype(dtype), affine, header)
    image.to_filename(tmp_path / f"a{suffix}")
    if dtype == "<u4":
        with pytest.raises(IntensityError, match="no value below 0"):
            pleura.read(tmp_path / f"a{suffix}")
    else:
        assert_same(pleura.read(tmp_path / f"a{suffix}"), hu)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2, -1000), (0.5, -1024)])
def test_nifti_rescale(tmp_path: Path, suffix: str, slope: float, intercept: float) -> None:
    stored = np.random.default_rng(0).integers(0, 2400, SHAPE[::-1]).astype(np.uint16)
    image = nibabel.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    path = tmp_path / f"a{suffix}"
    image.to_filename(path)
    assert np.array_equal(np.asarray(nibabel.load(path).dataobj.get_unscaled()), stored)
    expected = np.rint(stored.astype(float) * slope + intercept).transpose(2, 1, 0)
    assert np.array_equal(np.rint(read_grid(path)[0]), expected)


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "reads"),
    [
        ("<i2", 1, -1024, 1),
        ("<i2", 2, -1024, 1),
        ("<i2", 1, 0.5, 1),
        (">i2", 1, -1024, 1),
        ("<f4", 1, -1024, 1),
        ("<i2", 1, -32768, 2),  # sums beyond int16, which only the voxels tell
    ],
)
def test_packed_voxels_are_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    dtype: str, slope: float, intercept: float, reads: int,
) -> None:  # fmt: skip
    stored = np.random.default_rng(0).integers(-9, 2400, SHAPE[::-1]).astype(dtype)
    header = nibabel.Nifti1Header(endianness=dtype[0])
    header.set_data_dtype(dtype)
    image = nibabel.Nifti1Image(stored, np.eye(4), header)
    image.header.set_slope_inter(slope, intercept)
    image.to_filename(tmp_path / "a.nii.gz")
    proxy, calls = nibabel.arrayproxy.ArrayProxy, []
    read = proxy._get_unscaled
    monkeypatch.setattr(
        proxy, "_get_unscaled", lambda self, slicer: calls.append(slicer) or read(self, slicer)
    )
    found, *_ = read_grid(tmp_path / "a.nii.gz")
    expected = stored.astype(float) * slope + intercept
    assert np.allclose(found, expected.transpose(2, 1, 0))
    assert len(calls) == reads


def test_a_slope_of_zero_or_nan_means_none(tmp_path: Path, hu: np.ndarray) -> None:
    path = nifti(tmp_path / "a.nii", hu.transpose(2, 1, 0))
    for slope in (0.0, np.nan):
        raw = bytearray(path.read_bytes())
        raw[112:120] = np.array([slope, 0.0], "<f4").tobytes()
        path.write_bytes(raw)
        assert_same(pleura.read(path), hu)


def test_numbers_beyond_int16_are_clipped(tmp_path: Path, hu: np.ndarray) -> None:
    wide = hu.astype(np.float32)
    wide[0, 0, :2] = 1e30, -1e30
    read = pleura.read(save(tmp_path / "a.nii", wide, GRID)).array
    assert read[0, 0, :2].tolist() == [32767, -32768]
    assert np.array_equal(read[1:], hu[1:])


def test_nifti_2(tmp_path: Path, hu: np.ndarray) -> None:
    affine = nibabel_image(hu, GRID).affine
    for suffix in (".nii", ".nii.gz"):
        nibabel.Nifti2Image(hu.transpose(2, 1, 0), affine).to_filename(tmp_path / f"a{suffix}")
        assert_same(pleura.read(tmp_path / f"a{suffix}"), hu)


@pytest.mark.parametrize("shape", [(14, 12), (14, 12, 1), (14, 12, 1, 1)])
def test_one_nifti_slice(tmp_path: Path, hu: np.ndarray, shape: tuple[int, ...]) -> None:
    path = nifti(tmp_path / "a.nii.gz", hu[0].T.reshape(shape))
    assert np.array_equal(pleura.read(path).array, hu[:1])


def test_a_fourth_dimension_of_one_is_dropped(tmp_path: Path, hu: np.ndarray) -> None:
    assert_same(pleura.read(nifti(tmp_path / "a.nii", hu.transpose(2, 1, 0)[..., None])), hu)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_one_itk_slice(tmp_path: Path, hu: np.ndarray, suffix: str) -> None:
    image = sitk.GetImageFromArray(hu[0])
    image.SetSpacing((0.7, 0.8))
    image.SetOrigin((5.0, 6.0))
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    volume = pleura.read(tmp_path / f"a{suffix}")
    expected = Geometry.from_parts((1, 12, 14), (1.0, 0.8, 0.7), (5.0, 6.0, 0.0))
    assert_same(volume, hu[:1], expected)


def test_four_dimensions_are_refused(tmp_path: Path, hu: np.ndarray) -> None:
    four = np.stack([hu, hu])
    path = nifti(tmp_path / "a.nii.gz", four.transpose(3, 2, 1, 0))
    with pytest.raises(GeometryError, match=r"4 dimensions \(14, 12, 5, 2\)"):
        pleura.read(path)
    sitk.WriteImage(sitk.GetImageFromArray(four, isVector=False), str(tmp_path / "a.nrrd"))
    with pytest.raises(GeometryError, match="4 dimensions"):
        pleura.read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".tif"])
def test_colours_are_no_ct(tmp_path: Path, suffix: str) -> None:
    image = sitk.GetImageFromArray(np.zeros((9, 9, 3), dtype=np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    with pytest.raises(NotCTError, match="colour or vector"):
        pleura.read(tmp_path / f"a{suffix}")


def test_colour_and_complex_nifti_are_no_ct(tmp_path: Path) -> None:
    colours = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for array in (colours, np.zeros((4, 4, 4), dtype=np.complex64)):
        with pytest.raises(IntensityError, match="instead of HU"):
            pleura.read(nifti(tmp_path / "a.nii", array))


def test_tiff_assumes_its_spacing(tmp_path: Path, hu: np.ndarray) -> None:
    volume = pleura.read(save(tmp_path / "a.TIF", hu[:1]))
    assert_same(volume, hu[:1], Geometry.from_parts((1, 12, 14)))
    assert codes(volume) == ["spacing_assumed"] and volume.format == "tiff"


def test_nifti_without_orientation_says_so(tmp_path: Path, hu: np.ndarray) -> None:
    path = nifti(tmp_path / "a.nii", hu.transpose(2, 1, 0), qform_code=0, sform_code=0)
    assert codes(pleura.read(path)) == ["orientation_missing"]


@pytest.mark.parametrize(
    ("code_of", "other"), [("sform_code", "qform_code"), ("qform_code", "sform_code")]
)
def test_one_form_is_enough(tmp_path: Path, hu: np.ndarray, code_of: str, other: str) -> None:
    path = nifti(tmp_path / "a.nii", hu.transpose(2, 1, 0), **{code_of: 1, other: 0})
    assert_same(pleura.read(path), hu)


def test_a_flat_grid_is_refused(tmp_path: Path, hu: np.ndarray) -> None:
    path = nifti(tmp_path / "a.nii", hu.transpose(2, 1, 0), srow_z=(0, 0, 0, 0), qform_code=0)
    with pytest.raises(GeometryError, match="flat"):
        pleura.read(path)


def test_a_damaged_gzip_stream_is_noticed(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-1000, 1000, (4, 40, 40), dtype=np.int16)
    whole = save(tmp_path / "a.nii.gz", noise).read_bytes()
    for place in np.random.default_rng(1).integers(600, len(whole) - 8, 8):
        raw = bytearray(whole)
        raw[place] ^= 4
        (tmp_path / "a.nii.gz").write_bytes(raw)
        with pytest.raises(UnreadableError):
            pleura.read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("installed", ["as installed", "without isal"])
@pytest.mark.parametrize("members", [1, 2])
def test_a_gzip_stream_without_its_end_is_noticed(
    tmp_path: Path, hu: np.ndarray, installed: str, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All voxels are there; only what follows them is damaged or missing."""
    if installed == "without isal":
        monkeypatch.setitem(sys.modules, "isal.igzip", None)
    path, plain = tmp_path / "a.nii.gz", save(tmp_path / "a.nii", hu, GRID).read_bytes()
    whole = gzip.compress(plain)
    if members == 2:
        whole = gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])
    path.write_bytes(whole)
    assert_same(pleura.read(path), hu)
    checksum, length = bytearray(whole), bytearray(whole)
    checksum[-8] ^= 1
    length[-4] ^= 1
    for damaged in (checksum, length, whole[:-1], whole[:-8], whole + b"more"):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableError, match="it is damaged or not what its suffix says"):
            pleura.read(path)


def test_bytes_behind_the_voxels_do_not_matter(tmp_path: Path, hu: np.ndarray) -> None:
    plain = save(tmp_path / "a.nii", hu, GRID).read_bytes() + b"\0" * 100
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain))
    assert_same(pleura.read(tmp_path / "b.nii.gz"), hu)


def test_reading_does_not_change_the_file(tmp_path: Path, hu: np.ndarray) -> None:
    path = save(tmp_path / "a.nii", hu, GRID)
    before = path.read_bytes()
    pleura.read(path).array[:] = 0
    assert path.read_bytes() == before


def test_a_file_that_may_not_be_read(
    tmp_path: Path, hu: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = save(tmp_path / "a.nii", hu, GRID)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(UnreadableError, match="permissions"):
        pleura.read(path)


@pytest.mark.shared
def test_every_shared_slice_is_read(shared_data: Path) -> None:
    tiffs = sorted((shared_data / "slices" / "images").glob("*.tif"))
    assert len(tiffs) == 210
    for path in tiffs:
        volume = pleura.read(path)
        assert volume.array.shape == (1, 512, 512)
        # About 0.8 x HU, clipped at 592 and padded where the field of view is round.
        known = {"spacing_assumed", "intensity_scale", "padding_repaired", "clipped_range"}
        assert set(codes(volume)) <= known


@pytest.mark.shared
def test_every_shared_sick_slice_is_read(shared_data: Path) -> None:
    slices = sorted((shared_data / "sick_slices" / "images").glob("*.nii.gz"))
    assert len(slices) == 56
    for path in slices:
        volume = pleura.read(path)
        assert volume.array.shape[0] == 1 and volume.array.min() < -500
        assert volume.geometry.spacing_zyx_mm[1] < 2 and volume.findings == ()
