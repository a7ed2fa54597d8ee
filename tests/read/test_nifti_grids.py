from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from pleura import Mask, read
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
