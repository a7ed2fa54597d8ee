"""Parts of a scan stay where they were in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.verdicts.scans import canonical, crop, thinned
from pleura.volume import Geometry, Volume
from tests.grids import ORDERS

SHAPE, SPACING = (5, 12, 13), (4.0, 1.0, 1.0)
HU = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
VOLUME = Volume(HU, Geometry.from_parts(SHAPE, SPACING, (7.0, -8.0, 9.0)))
LABELS = (HU % 3).astype(np.uint8)


def assert_in_place(part: Volume, labels: np.ndarray) -> None:
    """Every voxel's number says where it lay; labels go along."""
    assert (labels == part.array % 3).all()
    for zyx in ((0, 0, 0), tuple(n - 1 for n in part.array.shape)):
        true = np.unravel_index(int(part.array[zyx]), SHAPE)
        here, there = (
            grid.affine @ (*map(int, place[::-1]), 1)
            for grid, place in ((part.geometry, zyx), (VOLUME.geometry, true))
        )
        assert np.allclose(here, there)


@pytest.mark.parametrize("order", ORDERS[:: max(1, len(ORDERS) // 6)])
def test_any_orientation_becomes_canonical(order: tuple) -> None:
    axes, flips = order
    along = [axis for axis, flip in enumerate(flips) if flip]
    stored = np.ascontiguousarray(np.flip(HU.transpose(axes), along))
    volume, labels = canonical(
        Volume(stored, VOLUME.geometry.transposed(axes, flips)), (stored % 3).astype(np.uint8)
    )
    assert (volume.array == HU).all()
    assert_in_place(volume, labels)


def test_thinned_and_cropped_parts() -> None:
    small, labels = thinned(VOLUME, LABELS)
    assert small.array.shape == (5, 4, 4) and small.geometry.spacing_zyx_mm == (4.0, 3.0, 3.0)
    assert_in_place(small, labels)
    part, labels = crop(VOLUME, LABELS, 2, 2)
    assert (part.array == HU[2:4]).all()
    assert_in_place(part, labels)
