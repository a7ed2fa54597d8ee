"""One slice of a phantom chest with lungs in it, as a training store holds one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pleura.lab.disease import Chest, around_lungs
from tests.phantom import chest as phantom_chest

SPACING = (3.0, 1.5, 1.5)


def slice_of(slices: int = 1):
    """HU and occupancy (z, 240, 240) through the middle of the lungs; noise of 15 HU."""
    phantom = phantom_chest((slices, 240, 240), SPACING)
    return phantom.hu.astype(np.float32), np.isin(phantom.labels, (1, 2)).astype(np.float32)


@pytest.fixture
def made() -> Callable[..., Chest]:
    def make(seed: int = 0, slices: int = 1, **more) -> Chest:
        hu, lungs = slice_of(slices)
        box = around_lungs(lungs, SPACING)
        return Chest(hu[box], lungs[box], SPACING, np.random.default_rng(seed), **more)

    return make
