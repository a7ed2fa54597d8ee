from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.quaternions import angle_axis2mat

from pleura import Mask, read
from pleura.errors import UnreadableError
from pleura.read.nifti import _orientation_conflict
from pleura.volume import Geometry, Volume
from tests.phantom import chest

PHANTOM = chest((12, 64, 64), (8, 6, 6))


def test_other_units_of_length_become_mm(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(PHANTOM.hu.transpose(2, 1, 0), np.diag([0.006, 0.006, 0.008, 1]))
    image.header.set_xyzt_units("meter")
    image.to_filename(tmp_path / "m.nii")
    volume = read(tmp_path / "m.nii")
    assert volume.geometry.spacing_zyx_mm == pytest.approx((8, 6, 6))
    assert [finding.code for finding in volume.findings] == ["units_converted"]


def test_nifti2_keeps_its_doubles(tmp_path: Path) -> None:
    affine = np.diag([-4 / 3, 4 / 3, 24.0, 1.0])
    nibabel.Nifti2Image(PHANTOM.hu.transpose(2, 1, 0), affine).to_filename(tmp_path / "x.nii")
    volume = read(tmp_path / "x.nii")
    mask = Mask(np.zeros(volume.array.shape, np.uint8), volume.geometry, header=volume.header)
    assert (mask.to_nibabel().affine == nibabel.load(tmp_path / "x.nii").affine).all()


@pytest.mark.parametrize(("change", "code"), [("turn", "oblique_grid"), ("shear", "sheared_grid")])
def test_grids_off_the_patients_axes_are_said(tmp_path: Path, change: str, code: str) -> None:
    affine = np.diag([-6.0, -6.0, 8.0, 1.0])
    if change == "turn":
        affine = np.array([[-5.9, 1.2, 0, 0], [-1.2, -5.9, 0, 0], [0, 0, 8, 0], [0, 0, 0, 1]])
    else:
        affine[1, 2] = 2.0
    nibabel.Nifti1Image(PHANTOM.hu.transpose(2, 1, 0), affine).to_filename(tmp_path / "x.nii")
    assert [finding.code for finding in read(tmp_path / "x.nii").findings] == [code]


def with_offset(path: Path, offset: float) -> Path:
    nibabel.Nifti1Image(PHANTOM.hu.transpose(2, 1, 0), np.diag([-6, -6, 8, 1])).to_filename(path)
    data = bytearray(path.read_bytes())
    data[108:112] = struct.pack("<f", offset)
    path.write_bytes(bytes(data[:352]) + bytes(int(max(offset, 352)) - 352) + bytes(data[352:]))
    return path


@pytest.mark.parametrize("offset", [0, 100])
def test_voxels_do_not_begin_within_the_header(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], offset: int
) -> None:
    """Libraries take the header itself for voxels, and all of the scan lies 176 voxels off."""
    with pytest.raises(UnreadableError, match=r"within its header|too low for single file"):
        read(with_offset(tmp_path / "x.nii", offset))
    assert capfd.readouterr() == ("", "")


def test_nibabel_says_nothing_of_an_offset_that_spm_would_not_like(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert np.array_equal(read(with_offset(tmp_path / "x.nii", 356)).array, PHANTOM.hu)
    assert capfd.readouterr() == ("", "")


def with_forms(path: Path, qform: Any, sform: Any, codes: tuple[int, int] = (1, 1)) -> Volume:
    image = nibabel.Nifti1Image(PHANTOM.hu.transpose(2, 1, 0), None)
    image.header.set_xyzt_units("mm")
    image.set_qform(qform, codes[0])
    image.set_sform(sform, codes[1])
    image.to_filename(path)
    return read(path)


def moved(*shift: float) -> Any:
    affine = np.diag([-6.0, -6.0, 8.0, 1.0])
    affine[:3, 3] = np.array([100.0, 120.0, -300.0]) + shift
    return affine


@pytest.mark.parametrize(
    ("sform", "words"),
    [
        (moved(2.9, 0, 0), ""),
        (moved(0, 0, 5), "up to 5.0 mm apart; the sform was taken"),
        (moved(0, 0, 0) @ np.diag([1, 1, 1.25, 1]), "up to 22.0 mm apart;"),
        (moved(0, 0, 0) @ np.diag([-1, 1, 1, 1]), "up to 756.0 mm apart and mirror each other"),
        (moved(0, 0, 0) @ np.diag([-1, -1, 1, 1]), "mm apart;"),
    ],
)
def test_qform_and_sform_that_disagree(tmp_path: Path, sform: Any, words: str) -> None:
    volume = with_forms(tmp_path / "x.nii", moved(0, 0, 0), sform)
    assert volume.geometry.origin_lps_mm == pytest.approx((-sform[0, 3], -sform[1, 3], sform[2, 3]))
    found = {finding.code: finding for finding in volume.findings}
    assert set(found) == ({"orientation_conflict"} if words else set())
    if words:
        assert found["orientation_conflict"].severity == "warn"
        assert words in found["orientation_conflict"].message


@pytest.mark.parametrize("codes", [(0, 1), (1, 0)])
def test_a_form_that_is_not_set_contradicts_nothing(tmp_path: Path, codes: tuple[int, int]) -> None:
    assert not with_forms(tmp_path / "x.nii", moved(0, 0, 0), moved(50, 0, 0), codes).findings


def test_a_sheared_sform_is_more_than_a_qform_can_say(tmp_path: Path) -> None:
    sform = moved(0, 0, 0)
    sform[1, 2] = 4.0
    volume = with_forms(tmp_path / "x.nii", moved(0, 0, 0), sform)
    assert [finding.code for finding in volume.findings] == ["sheared_grid"]


@pytest.mark.parametrize("angle", [0.3, np.pi - 1.1e-3, np.pi - 7e-4, np.pi])
@pytest.mark.parametrize("library", ["nibabel", "sitk"])
def test_quaternions_are_rounded(tmp_path: Path, angle: float, library: str) -> None:
    """Near half a turn float32 leaves an angle of 1e-3, half a thin voxel at the far corner."""
    path = tmp_path / "x.nii"
    for seed in range(8):
        axis = np.random.default_rng(seed).normal(size=3)
        affine = np.eye(4)
        affine[:3, :3] = angle_axis2mat(angle, axis) @ np.diag([0.3, 0.3, 0.5])
        affine[:3, 3] = 100, -200, 300
        grid = Geometry((1, 1600, 1600), np.diag([-1, -1, 1, 1]) @ affine)
        if library == "nibabel":
            image = nibabel.Nifti1Image(np.zeros((1600, 1600, 1), np.int16), affine)
            image.set_qform(affine, 1)
            image.set_sform(affine, 1)
            image.to_filename(path)
        else:
            picture = sitk.Image(1600, 1600, 1, sitk.sitkInt16)
            picture.SetSpacing(grid.spacing_zyx_mm[::-1])
            picture.SetDirection(grid.direction_lps.ravel().tolist())
            picture.SetOrigin(grid.origin_lps_mm)
            sitk.WriteImage(picture, path)
        header = nibabel.load(path).header
        assert header["qform_code"] > 0 and header["sform_code"] > 0
        assert _orientation_conflict(header, grid) == [], seed


def test_the_example_agrees_with_itself() -> None:
    codes = [f.code for f in read(Path(__file__).parents[2] / "examples/chest.nii.gz").findings]
    assert "orientation_conflict" not in codes
