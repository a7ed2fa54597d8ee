"""Masks as NIfTI, NRRD and MetaImage lie where their scan lies."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import pleura
from pleura.errors import GeometryError, OutputError, UsageError
from pleura.volume import Geometry, Mask, ProbabilityMap
from pleura.write import SUFFIXES, check_distinct, check_output, check_place, write_mask
from tests.grids import rotation
from tests.scans import names, save

SHAPE = (3, 4, 5)
OBLIQUE = Geometry.from_parts(
    SHAPE, (2.5, 0.7, 0.8), (-101.3, 55.5, -720.25), rotation(20, 0) @ rotation(-35, 2)
)


def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, SHAPE, dtype=np.uint8)


@pytest.mark.parametrize("kind", [Mask, ProbabilityMap])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_voxels_and_world_agree(
    tmp_path: Path, suffix: str, kind: type[Mask] | type[ProbabilityMap]
) -> None:
    path = tmp_path / f"m{suffix}"
    write_mask(kind(labels(), OBLIQUE), path)
    image = sitk.ReadImage(str(path))
    assert image.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayFromImage(image), labels())
    for index in ((0, 0, 0), (4, 3, 2), (4, 0, 1)):
        expected = (OBLIQUE.affine @ [*index, 1])[:3]
        assert np.allclose(image.TransformIndexToPhysicalPoint(index), expected, atol=1e-3)
    if suffix.startswith(".nii"):
        again = nibabel.load(path)
        assert again.get_data_dtype() == np.uint8
        ras = again.affine @ [4, 3, 2, 1]
        assert np.allclose(ras[:3] * [-1, -1, 1], (OBLIQUE.affine @ [4, 3, 2, 1])[:3], atol=1e-3)
        assert again.header.get_xyzt_units()[0] == "mm"


def geometry_bytes(path: Path) -> tuple[bytes, ...]:
    """pixdim[0:4], xyzt_units, and all of qform and sform."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return raw[76:92], raw[123:124], raw[252:328]


def nifti_scan(path: Path, codes: tuple[int, int], sheared: bool = False) -> Path:
    """A scan with (qform, sform) codes, of which both differ in place, and odd units."""
    turn = np.array([[0.7, 0.1, 0], [-0.1, 0.8, 0.2], [0, 0.3, 2.5]])
    affine = np.eye(4)
    affine[:3, :3] = turn if sheared else rotation(33, 1) @ np.diag([0.7, 0.8, 2.5])
    affine[:3, 3] = 1 / 3, -200.1, 77.7
    rng = np.random.default_rng(1)
    image = nibabel.Nifti1Image(rng.integers(-1000, 500, SHAPE[::-1], dtype=np.int16), affine)
    if codes[0]:
        image.set_qform(rotation4(12) @ affine, code=codes[0], strip_shears=True)
    image.set_sform(affine if codes[1] else None, code=codes[1])
    if not codes[0]:
        image.set_qform(None)
    image.header["pixdim"][4:] = 7
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(path)
    return path


def rotation4(degrees: float) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees, 2)
    return affine


@pytest.mark.parametrize("sheared", [False, True], ids=["straight", "sheared"])
@pytest.mark.parametrize("codes", [(0, 1), (0, 4), (1, 0), (2, 3), (1, 1), (0, 0)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_geometry_is_repeated_byte_for_byte(
    tmp_path: Path, codes: tuple[int, int], sheared: bool, suffix: str
) -> None:
    scan = nifti_scan(tmp_path / f"scan{suffix}", codes, sheared)
    volume = pleura.read(scan)
    write_mask(Mask(labels(), volume.geometry, {}, volume.header), tmp_path / f"mask{suffix}")
    assert geometry_bytes(tmp_path / f"mask{suffix}") == geometry_bytes(scan)
    mask = nibabel.load(tmp_path / f"mask{suffix}")
    assert np.array_equal(mask.affine, nibabel.load(scan).affine)
    # What belongs to the scan's numbers is not repeated.
    assert mask.header["scl_slope"] != mask.header["scl_slope"] or mask.header["scl_slope"] == 1
    assert mask.get_data_dtype() == np.uint8 and mask.shape == SHAPE[::-1]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_probabilities_say_what_they_are_and_lie_where_the_mask_lies(
    tmp_path: Path, suffix: str
) -> None:
    volume = pleura.read(nifti_scan(tmp_path / f"scan{suffix}", (2, 3)))
    values = np.random.default_rng(2).integers(0, 256, SHAPE, dtype=np.uint8)
    path = tmp_path / f"p{suffix}"
    write_mask(ProbabilityMap(values, volume.geometry, volume.header), path)
    assert geometry_bytes(path) == geometry_bytes(tmp_path / f"scan{suffix}")
    image = nibabel.load(path)
    assert image.header["descrip"].item() == b"pleura: probability of lung, 255 = 1"
    assert image.dataobj.slope == 1 and image.dataobj.inter == 0
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), values)
    assert volume.header["descrip"].item() == b"", "the scan's own header stays as it was"


def test_a_scan_in_another_byte_order_keeps_its_numbers(tmp_path: Path) -> None:
    image = nibabel.load(nifti_scan(tmp_path / "little.nii", (1, 2)))
    header = image.header.as_byteswapped(">")
    nibabel.Nifti1Image(image.dataobj, None, header).to_filename(tmp_path / "big.nii")
    assert (tmp_path / "big.nii").read_bytes()[:4] == b"\0\0\1\x5c"
    volume = pleura.read(tmp_path / "big.nii")
    write_mask(Mask(labels(), volume.geometry, {}, volume.header), tmp_path / "mask.nii")
    assert geometry_bytes(tmp_path / "mask.nii") == geometry_bytes(tmp_path / "little.nii")


def headers(folder: Path) -> dict[str, object]:
    """NIfTI headers of scans, in both versions and byte orders, and none."""
    image = nibabel.load(nifti_scan(folder / "scan.nii", (1, 2)))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"not the mask's"))
    wide = nibabel.Nifti2Image(np.zeros(SHAPE[::-1], np.int16), image.affine)
    wide.header.set_slope_inter(2, -1024)
    return {
        "none": None, "one": image.header, "big": image.header.as_byteswapped(">"),
        "two": wide.header,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["none", "one", "big", "two"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_bytes_are_those_that_nibabel_writes(tmp_path: Path, kind: str, order: str) -> None:
    array = labels().copy(order)  # "F": not as the file has it
    mask = Mask(array, OBLIQUE, {}, headers(tmp_path)[kind])
    for suffix in (".nii", ".nii.gz"):
        write_mask(mask, tmp_path / f"mask{suffix}")
    expected = mask.to_nibabel().to_bytes()
    assert len(expected) == (544 if kind == "two" else 352) + array.size
    assert (tmp_path / "mask.nii").read_bytes() == expected
    assert gzip.decompress((tmp_path / "mask.nii.gz").read_bytes()) == expected


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_a_sheared_grid_needs_nifti(tmp_path: Path, suffix: str) -> None:
    affine = np.array(OBLIQUE.affine)
    affine[:3, 2] += affine[:3, 1]
    with pytest.raises(GeometryError, match=r"sheared .* \.nii\.gz"):
        write_mask(Mask(labels(), Geometry(SHAPE, affine)), tmp_path / f"m{suffix}")
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_what_itk_did_not_write_whole_is_noticed(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sitk.WriteImage

    def cut(image: sitk.Image, path: str, **options: bool) -> None:
        write(image, path, **options)
        file = max(Path(path).parent.iterdir(), key=lambda p: p.stat().st_size)
        file.write_bytes(file.read_bytes()[:-20])

    monkeypatch.setattr("SimpleITK.WriteImage", cut)
    big = np.random.default_rng(0).integers(0, 3, (9, 60, 60), dtype=np.uint8)
    with pytest.raises(OutputError, match=r"could not be written \(not whole"):
        write_mask(Mask(big, Geometry.from_parts(big.shape)), tmp_path / f"m{suffix}")
    assert names(tmp_path) == []


def test_check_output(tmp_path: Path) -> None:
    scan = save(tmp_path / "scan.nii", np.zeros((2, 3, 4), dtype=np.int16))
    check_output(tmp_path / "free.nii.gz", scan)
    check_output(tmp_path / "free.nii.gz", None)
    for name, words in (
        ("mask", "no suffix"), ("mask.png", "no suffix"), ("none/mask.nii", "does not exist"),
        ("scan.nii", "is the input"), ("sub/../scan.nii", "is the input"),
    ):  # fmt: skip
        (tmp_path / "sub").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=words):
            check_output(tmp_path / name, scan)
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_output(tmp_path / "folder.nii", scan)


def test_outputs_of_one_call_are_different_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for first, second in (
        ("m.nii", "m.nii"), ("m.nii", "link/m.nii"), ("m.mhd", "m.MHD"), ("m.nii", "x/../m.nii"),
    ):  # fmt: skip
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match="would both be written to"):
            check_distinct([tmp_path / first, tmp_path / second])
    check_distinct([tmp_path / name for name in ("m.nii", "m.nii.gz", "x/m.nii", "m.mhd", "n.mhd")])


def test_voxels_of_another_image_are_not_overwritten(tmp_path: Path) -> None:
    image = tmp_path / "other.mhd"
    write_mask(Mask(labels(), OBLIQUE), image)
    write_mask(Mask(labels(), OBLIQUE), image)  # itself may be replaced
    image.rename(tmp_path / "renamed.mhd")
    with pytest.raises(UsageError, match=r"would overwrite .*other\.zraw"):
        write_mask(Mask(labels(), OBLIQUE), image)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "renamed.mhd"))),
                          labels())  # fmt: skip


def test_a_place_without_permission_is_refused_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="no permission"):
        check_place(tmp_path / "p.png", None)
