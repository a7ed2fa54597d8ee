"""Labels on another grid: SimpleITK as oracle, sheared grids by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.errors import GeometryError
from pleura.lab.regrid import in_plane_box, nearest_labels
from pleura.volume import Geometry, sitk_image
from tests.grids import geometries, rotation


def random_labels(geometry: Geometry, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, geometry.shape_zyx, dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    source=geometries(largest=7),
    shape=st.tuples(*[st.sampled_from([3, 5, 7, 9])] * 3),
    spacing=st.tuples(*[st.floats(0.4, 6.0)] * 3),
    turn=st.floats(-30.0, 30.0),
    seed=st.integers(0, 2**31),
)
def test_agrees_with_simpleitk(source, shape, spacing, turn, seed) -> None:
    centre = source.affine @ [*((n - 1) / 2 for n in source.shape_zyx[::-1]), 1.0]
    target = Geometry.from_parts(shape, spacing, (0, 0, 0), rotation(turn, 2))
    middle = target.affine @ [*((n - 1) / 2 for n in shape[::-1]), 1.0]
    # Both grids have one centre, off by a bit, so that no voxel lies half way between two others.
    origin = (centre - middle)[:3] + 0.0137
    target = Geometry.from_parts(shape, spacing, origin, rotation(turn, 2))
    array = random_labels(source, seed)
    image = sitk_image(array, source)
    theirs = sitk.Resample(
        image, sitk_image(np.zeros(shape, np.uint8), target), sitk.Transform(),
        sitk.sitkNearestNeighbor, 0,
    )  # fmt: skip
    expected = sitk.GetArrayFromImage(theirs)
    found = nearest_labels(array, source, target)
    assert found.dtype == array.dtype
    # Voxels on an edge between two may go either way by rounding.
    assert np.count_nonzero(found != expected) <= 0.02 * expected.size


def test_the_same_grid_changes_nothing() -> None:
    geometry = Geometry.from_parts((4, 5, 6), (2.5, 0.7, 0.8), (-3.0, 8.0, 11.0))
    array = random_labels(geometry, 0)
    np.testing.assert_array_equal(nearest_labels(array, geometry, geometry), array)


def test_finer_slices_and_a_longer_grid() -> None:
    source = Geometry.from_parts((2, 2, 2), (2.0, 1.0, 1.0))
    target = Geometry.from_parts((6, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, -1.6))
    array = np.arange(1, 9).reshape(2, 2, 2)
    found = nearest_labels(array, source, target)  # slices at -1.6, -0.6, 0.4, 1.4, 2.4, 3.4 mm
    assert not found[0].any() and not found[5].any()  # farther out than half a slice
    for z, expected in ((1, 0), (2, 0), (3, 1), (4, 1)):
        np.testing.assert_array_equal(found[z], array[expected])


def test_ties_go_one_way_all_over_the_grid() -> None:
    for degrees in range(5, 45, 5):
        check_ties(rotation(degrees, 0) @ rotation(-degrees / 2, 1))


def check_ties(turn: np.ndarray) -> None:
    source = Geometry.from_parts((4, 30, 30), (3.0, 0.7, 0.7), (-101.3, 7.7, 0.1), turn)
    middle = source.affine @ [0.0, 0.0, 0.5, 1.0]  # half way between the first two slices
    target = Geometry.from_parts((3, 30, 30), (3.0, 0.7, 0.7), middle[:3], turn)
    array = np.broadcast_to(np.arange(1, 5).reshape(4, 1, 1), (4, 30, 30)).astype(np.uint8)
    found = nearest_labels(array, source, target)
    assert [np.unique(plane).tolist() for plane in found] == [[2], [3], [4]]


def test_sheared_grids_go_too() -> None:
    """A gantry tilt: each slice lies a voxel farther back than the one below."""
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 1.0
    tilted = Geometry((3, 6, 4), affine)
    straight = Geometry.from_parts((3, 6, 4), (2.0, 1.0, 1.0))
    array = np.zeros((3, 6, 4), dtype=np.uint8)
    array[:, 2] = 1
    found = nearest_labels(array, tilted, straight)
    for z in range(3):
        assert found[z, 2 + z].all() and found[z].sum() == 4


def test_grids_apart_are_refused() -> None:
    source = Geometry.from_parts((2, 2, 2))
    with pytest.raises(GeometryError, match="overlap"):
        nearest_labels(
            np.ones((2, 2, 2), np.uint8),
            source,
            Geometry.from_parts((2, 2, 2), origin_lps_mm=(9,) * 3),
        )


def test_the_box_holds_all_labels_and_a_margin() -> None:
    first, second = np.zeros((2, 3, 20, 30), dtype=np.int64)
    first[0, 5, 7] = 1
    second[2, 9, 29] = -2
    assert in_plane_box([first, second]) == (slice(None), slice(4, 11), slice(6, 31))
    assert first[in_plane_box([first * 0])].shape == (3, 2, 2)
