"""Slices that repeat their neighbour."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.read import read
from pleura.read.repeated import repeated_slices
from tests.phantom import chest

HU = chest(shape=(12, 64, 64), spacing=(9.0, 6.0, 6.0)).hu


def test_copies_are_counted_and_placed() -> None:
    array = np.concatenate([HU[:5], HU[4:5], HU[4:]])
    (finding,) = repeated_slices(array)
    assert finding.severity == "warn" and "2 slices of 14" in finding.message
    assert "slice 6 from the feet" in finding.message


def test_each_slice_twice_is_said_by_read() -> None:
    volume = read(np.repeat(HU, 2, axis=0), spacing=(4.5, 6.0, 6.0))
    assert "repeated_slices" in [finding.code for finding in volume.findings]


@pytest.mark.parametrize("change", ["none", "one voxel", "blank"])
def test_no_copies(change: str) -> None:
    array = HU.copy()
    if change == "one voxel":  # beside what is compared first
        array[4] = array[3]
        array[4, 33, 33] += 1
    if change == "blank":
        array[:3] = -1024
    assert repeated_slices(array) == ()
