"""Voxel grids for property tests: all 48 axis orders and flips, and oblique ones between."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from pleura.volume import Geometry

# The 48 ways in which three array axes can lie along the patient's axes, as direction matrices.
AXIS_DIRECTIONS: list[npt.NDArray[np.float64]] = [
    np.eye(3)[:, list(order)] * np.array(signs)
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]

# The same 48, as (axes, flips) of `Geometry.transposed`.
ORDERS = [
    (axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)
]


def rotation(degrees: float, axis: int) -> npt.NDArray[np.float64]:
    """3x3 rotation about x, y or z."""
    a, b = [k for k in range(3) if k != axis]
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix


@st.composite
def geometries(draw: st.DrawFn, largest: int = 6, tilt: float = 40.0) -> Geometry:
    """A small grid in any of the 48 orders, turned by up to `tilt` degrees about each axis."""
    shape = draw(st.tuples(*[st.integers(2, largest)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.3, 8.0)] * 3))
    origin = draw(st.tuples(*[st.floats(-500.0, 500.0)] * 3))
    direction = draw(st.sampled_from(AXIS_DIRECTIONS))
    for axis in range(3):
        direction = rotation(draw(st.floats(-tilt, tilt)), axis) @ direction
    return Geometry.from_parts(shape, spacing, origin, direction)
