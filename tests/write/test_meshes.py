"""Surfaces are closed, have the mask's volume, and lie where the mask does."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.volume import Geometry, Mask
from pleura.write.meshes import mesh_of
from tests.example import example, mask_on
from tests.grids import rotation
from tests.phantom import chest

GRIDS = {
    "thin": ((90, 110, 110), (3.0, 3.2, 3.2)),
    "1 mm": ((60, 120, 120), (1.0, 1.0, 1.0)),
    "thick": ((30, 128, 128), (10.0, 2.8, 2.8)),
    "coarse": ((16, 64, 64), (18.0, 6.0, 6.0)),
}


def assert_right(mask: Mask, label: int) -> None:
    mesh = mesh_of(mask, label)
    assert mesh is not None and mesh.is_watertight and mesh.is_winding_consistent
    inside = np.argwhere(mask.array == label)
    expected = len(inside) * mask.geometry.voxel_ml * 1000
    assert mesh.volume == pytest.approx(expected, rel=0.001)  # positive: faces look outwards
    affine = mask.geometry.affine
    points = inside[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    largest = max(mask.geometry.spacing_zyx_mm)
    assert np.abs(mesh.center_mass - points.mean(axis=0)).max() < 0.1 * largest + 0.2
    for reached, wanted in zip(mesh.bounds, (points.min(axis=0), points.max(axis=0)), strict=True):
        assert np.abs(reached - wanted).max() < 1.5 * largest


@pytest.mark.parametrize("name", GRIDS)
def test_phantoms(name: str) -> None:
    phantom = chest(*GRIDS[name])
    for label in (1, 2):
        assert_right(Mask(phantom.labels, phantom.geometry), label)


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 1, 0)])
def test_coronal_and_sagittal(axes: tuple[int, int, int]) -> None:
    phantom = chest(*GRIDS["thick"])
    grid = phantom.geometry.transposed(axes, (False, True, False))
    array = np.flip(phantom.labels.transpose(axes), 1)
    assert_right(Mask(array, grid), 1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_oblique_and_sheared(mirrored: bool) -> None:
    phantom = chest(*GRIDS["thick"])
    affine = phantom.geometry.affine.copy()
    affine[:3, :3] = rotation(30, 0) @ rotation(20, 2) @ affine[:3, :3]
    affine[:3, 2] += 0.2 * affine[:3, 1]
    if mirrored:
        affine[:3, 0] *= -1
    assert_right(Mask(phantom.labels, Geometry(phantom.geometry.shape_zyx, affine)), 2)


def test_real_scan() -> None:
    volume, labels = example()
    for label in (1, 2):
        assert_right(mask_on(volume, labels), label)


def test_smooth() -> None:
    """No steps of thick slices: a triangle's neighbours turn by little."""
    mesh = mesh_of(Mask(chest(*GRIDS["thick"]).labels, chest(*GRIDS["thick"]).geometry), 1)
    assert np.degrees(np.median(mesh.face_adjacency_angles)) < 6


def test_small_things() -> None:
    array = np.zeros((5, 5, 5), dtype=np.uint8)
    assert mesh_of(Mask(array, Geometry.from_parts(array.shape)), 1) is None
    array[2, 2, 2] = 1
    mesh = mesh_of(Mask(array, Geometry.from_parts(array.shape, (2.0, 1.0, 1.0))), 1)
    assert mesh.is_watertight and mesh.volume == pytest.approx(2.0, rel=0.01)
    full = np.ones((4, 6, 8), dtype=np.uint8)  # it reaches all of the scan's edges
    assert_right(Mask(full, Geometry.from_parts(full.shape, (1.0, 1.0, 1.0))), 1)
