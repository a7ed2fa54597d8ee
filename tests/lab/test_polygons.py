"""Polygons -> pixels, against a point-in-polygon test written another way."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pleura.lab.polygons import fill_even_odd, without_duplicates

CORNERS = st.lists(
    st.tuples(*[st.floats(-3, 12, allow_nan=False).map(lambda v: round(v, 2))] * 2),
    min_size=3,
    max_size=8,
)


def winding_parity(x, y, polygon):
    """Crossings of a ray to the left, one edge after the other."""
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (y0 <= y) != (y1 <= y):
            inside ^= x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x
    return inside


@given(st.lists(CORNERS, min_size=1, max_size=3))
def test_every_pixel_is_on_its_side(polygons):
    found = fill_even_odd([np.array(corners, dtype=float) for corners in polygons], (9, 10))
    expected = np.array(
        [[sum(winding_parity(x, y, p) for p in polygons) % 2 for x in range(10)] for y in range(9)]
    )
    np.testing.assert_array_equal(found, expected)


def test_a_square_with_a_hole_by_hand():
    outer = np.array([[0.5, 0.5], [5.5, 0.5], [5.5, 5.5], [0.5, 5.5]])
    inner = np.array([[1.5, 1.5], [4.5, 1.5], [4.5, 4.5], [1.5, 4.5]])
    found = fill_even_odd([outer, inner], (7, 7))
    expected = np.zeros((7, 7), dtype=bool)
    expected[1:6, 1:6] = True
    expected[2:5, 2:5] = False
    np.testing.assert_array_equal(found, expected)


def test_squares_that_share_an_edge_share_no_pixel():
    left = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
    right = left + np.array([3.0, 0.0])
    both = fill_even_odd([left], (5, 8)).astype(int) + fill_even_odd([right], (5, 8))
    np.testing.assert_array_equal(both[:4, :6], 1)
    assert both.sum() == 24


@given(CORNERS, st.integers(0, 7), st.booleans(), st.booleans())
def test_a_polygon_is_the_same_wherever_it_starts_and_turns(corners, start, back, closed):
    again = corners[start % len(corners) :] + corners[: start % len(corners)]
    again = again[::-1] if back else again
    again = again + again[:1] if closed else again
    first = np.array(corners, dtype=float)
    kept = without_duplicates([first, np.array(again, dtype=float), first + 1.0])
    np.testing.assert_array_equal(kept[0], first)
    assert len(kept) == 2


def test_the_same_corners_in_another_order_are_another_polygon():
    square = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 3.0], [0.0, 3.0]])
    assert len(without_duplicates([square, square[[0, 2, 1, 3]]])) == 2
