"""What is painted into the phantom is found under its name."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.error_map.comparison import Comparison
from pleura.lab.error_map.contents import (
    AERATED,
    AIRWAY,
    AT_PLEURA,
    CONSOLIDATION,
    GAS,
    HALF_AERATED,
    LOW_ATTENUATION,
    SMALL_DENSE,
    TISSUE,
    contents,
)
from tests.lab.error_map.planted import SPACING, VOXEL_ML, ball, compared, hu, reference

LABELS = reference()
LUNGS = (LABELS == 1) | (LABELS == 2)
PAINTED = {
    "mass": (ball(10, 30, -90, 30) & LUNGS, 40, CONSOLIDATION),
    "nodule at the wall": (ball(10, 0, 130, 10) & LUNGS, 40, AT_PLEURA),
    "nodule inside": (ball(45, 0, -75, 8), 40, SMALL_DENSE),
    "ground glass": (ball(30, -10, 80, 25) & LUNGS, -500, HALF_AERATED),
    "bulla": (ball(60, 20, 75, 25) & LUNGS, -1000, LOW_ATTENUATION),
    "stomach": (ball(-110, 0, 70, 35) & ~LUNGS, -1000, GAS),
}


@pytest.fixture(scope="module")
def painted() -> Comparison:
    density = hu()
    density[LUNGS] = -830  # vessels of the phantom are as large as nodules
    for part, value, _ in PAINTED.values():
        density[part] = value
    return compared(density=density)


@pytest.mark.parametrize("name", PAINTED)
def test_painted_parts_have_their_content(name: str, painted: Comparison) -> None:
    part, _, kind = PAINTED[name]
    assert part.any()
    assert (contents(painted)[part] == kind).mean() > 0.7


def test_the_rest_is_aerated_lung_airways_and_tissue(painted: Comparison) -> None:
    found = contents(painted)
    touched = np.any([part for part, _, _ in PAINTED.values()], axis=0)
    assert (found[LUNGS & ~touched] == AERATED).mean() > 0.9
    assert (found[LABELS == 3] == AIRWAY).all()
    heart = ball(-30, -25, 30, 20) & (LABELS == 0)
    assert (found[heart] == TISSUE).all()
    assert not np.isin(found[LUNGS], (GAS, TISSUE, AIRWAY)).any()


def test_gas_reaches_up_to_the_lung_but_a_blurred_edge_is_no_gas() -> None:
    density = hu()
    density[LUNGS] = -830
    beside = np.roll(LUNGS, 1, 2) & (LABELS == 0) & ~np.roll(LUNGS, 2, 1)
    density[beside] = -600
    found = contents(compared(density=density))
    inside_wall = beside & ~ball(0, 0, 0, 20)
    assert (found[inside_wall] != GAS).mean() > 0.9


def test_a_single_slice_has_contents_too() -> None:
    z = slice(21, 22)
    density = hu()
    density[LUNGS] = -830
    mass, value, kind = PAINTED["mass"]
    density[mass] = value
    one = Comparison(density[z], LUNGS[z], LABELS[z], SPACING, VOXEL_ML)
    assert (contents(one)[mass[z]] == kind).mean() > 0.7


def test_without_lung_there_are_only_surroundings() -> None:
    nothing = np.zeros_like(LABELS)
    one = Comparison(hu(), ball(0, 0, 0, 30), nothing, SPACING, VOXEL_ML)
    assert set(np.unique(contents(one))) <= {TISSUE, 1, GAS}
