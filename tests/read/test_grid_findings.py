"""Grids: implausible, not axial, in another order than the header says."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import pleura
from pleura.findings import Finding
from pleura.volume import Geometry, nibabel_image
from tests.phantom import chest
from tests.read.made_defects import SPACING, example, phantom, read

HU = phantom().hu


def found(array: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> dict[str, Finding]:
    return {finding.code: finding for finding in read(array, spacing).findings}


def test_thick_slices() -> None:
    assert found(HU, (12.0, 3.0, 3.0))["thick_slices"].message.startswith("Slices are 12.0 mm")
    assert "thick_slices" not in found(HU[:1], (12.0, 3.0, 3.0)) | found(HU)


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((10.0, 0.15, 0.15), "pixels measure 0.15"),
        ((10.0, 0.3, 0.3), "a slice measures 38 x 38 mm"),
        ((10.0, 8.0, 8.0), "a slice measures 1024 x 1024 mm"),
        ((10.0, 5.8, 5.8), "the body is 6"),
        ((3.0, 3.0, 10.0), "pixels of 10.00 x 3.00 mm on a square matrix"),
    ],
)
def test_spacings_of_no_chest(spacing: tuple[float, float, float], words: str) -> None:
    assert words in found(HU, spacing)["implausible_spacing"].message


@pytest.mark.parametrize("spacing", [(10.0, 2.0, 2.0), (2.0, 4.5, 4.5), (10.0, 3.0, 3.1)])
def test_spacings_of_small_patients_and_of_pet_are_plausible(
    spacing: tuple[float, float, float],
) -> None:
    assert found(HU, spacing) == {}


def test_a_missing_spacing_is_named() -> None:
    hu = np.repeat(np.repeat(HU[:4], 2, axis=1), 2, axis=2)
    message = found(hu, (1.0, 1.0, 1.0))["implausible_spacing"].message
    assert "1 x 1 x 1 mm on 256 x 256 pixels is what a file without spacing gets" in message
    assert found(hu[:, :-1, :-2], (1.0, 1.0, 1.0)) == {}  # resampled scans have any matrix


def test_an_assumed_spacing_is_not_blamed_twice(tmp_path) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(HU[12]), str(tmp_path / "a.tif"))
    assert [f.code for f in pleura.read(tmp_path / "a.tif").findings] == ["spacing_assumed"]


NAMES = {0: None, 1: "coronal", 2: "sagittal"}


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_slices_along_other_axes_are_said(axes: tuple[int, int, int]) -> None:
    scan = phantom()
    geometry = scan.geometry.transposed(axes, (False, False, False))
    volume = pleura.read(nibabel_image(np.ascontiguousarray(HU.transpose(axes)), geometry))
    name = NAMES[axes[0]]
    assert [f.code for f in volume.findings] == ([] if name is None else ["not_axial"])
    assert name is None or f"stored as {name} slices" in volume.findings[0].message


@pytest.mark.parametrize("axes", [(1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_axes_in_another_order_than_the_header_says(axes: tuple[int, int, int]) -> None:
    scan = example()
    spacing = tuple(scan.geometry.spacing_zyx_mm[axis] for axis in axes)
    codes = found(np.ascontiguousarray(scan.array.transpose(axes)), spacing)  # type: ignore[arg-type]
    assert "swapped_axes" in codes and codes["swapped_axes"].severity == "warn"


def test_crops_flips_and_blank_ends_are_in_order() -> None:
    array = example().array
    spacing = example().geometry.spacing_zyx_mm
    for part in (
        array, array[::-1, ::-1, ::-1], array[40:90, 60:200, 40:210], array[:, :, 60:180],
        np.pad(array, ((9, 9), (0, 0), (0, 0)), constant_values=-1024), array[60:61],
    ):  # fmt: skip
        assert "swapped_axes" not in found(np.ascontiguousarray(part), spacing)


def test_a_left_handed_grid_is_no_finding() -> None:
    flipped = phantom().geometry.transposed((0, 1, 2), (False, False, True))
    volume = pleura.read(nibabel_image(HU[:, :, ::-1].copy(), flipped))
    assert np.linalg.det(volume.geometry.affine[:3, :3]) < 0 and volume.findings == ()


def test_a_narrow_cut_is_no_narrow_chest() -> None:
    assert found(HU[:, 50:80, 50:84]) == {}
    small = chest((24, 128, 128), SPACING).hu
    assert "implausible_spacing" in found(small, (10.0, 0.7, 0.7))
    assert Geometry.from_parts(small.shape, SPACING).matches(phantom().geometry) is False
