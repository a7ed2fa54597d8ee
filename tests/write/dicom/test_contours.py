"""Contours hold exactly the pixels of the mask."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import grid_points_in_poly

from pleura.write.dicom.contours import contours

SHAPE = (12, 14)


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres lie in one of the polygons."""
    found = np.zeros(shape, dtype=int)
    for points in polygons:
        found += grid_points_in_poly(shape, points[:, ::-1])
    assert found.max(initial=0) <= 1, "two polygons of one label overlap"
    return found > 0


@settings(deadline=None)  # the first call imports scikit-image
@given(arrays(bool, SHAPE, elements=st.booleans()))
def test_any_mask_comes_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(filled(contours(mask), SHAPE), mask)


def test_hole_with_an_island() -> None:
    mask = np.zeros((30, 30), dtype=bool)
    mask[3:27, 3:27] = True
    mask[8:22, 8:22] = False
    mask[12:18, 12:18] = True
    mask[14, 14] = False
    found = contours(mask)
    assert len(found) == 2, "an outer contour with its hole, an island with its own"
    np.testing.assert_array_equal(filled(found, mask.shape), mask)


def test_straight_lines_need_two_points() -> None:
    mask = np.zeros((50, 60), dtype=bool)
    mask[5:45, 5:55] = True
    (points,) = contours(mask)
    assert len(points) == 8  # marching squares cut the four corners
    assert points.min() == 4.5 and points.max(axis=0).tolist() == [54.5, 44.5]


def test_none() -> None:
    assert contours(np.zeros(SHAPE, dtype=bool)) == []
