"""Numbers add up to the evaluation's own, and distances belong to the region they are shown for."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.error_map.comparison import Comparison
from pleura.lab.error_map.depths import AT_THE_EDGE, FAR, depths
from pleura.lab.error_map.rows import CONTENT, DEPTH, PLACE, RegionRow
from pleura.lab.error_map.tally import Owner, region_rows
from pleura.lab.evaluate import EvaluateOptions, evaluate
from pleura.labels import AIRWAY_LABELS, PLEURA_LABELS
from pleura.volume import Mask, Volume
from tests.grids import ORDERS
from tests.lab.error_map.planted import (
    VOXEL_ML,
    X,
    ball,
    compared,
    geometry,
    hu,
    reference,
    shifted,
)

OWNER = Owner("volumes", "one", "train", "A")


def by_region(one: Comparison, kind: str) -> dict[str, RegionRow]:
    return {row.region: row for row in region_rows(one, OWNER) if row.kind == kind}


def test_all_kinds_add_up_to_the_evaluation() -> None:
    add, remove = ball(-120, -80, 130, 12) | ball(0, 0, 0, 25), ball(0, 0, -80, 15)
    one = compared(add, remove)
    found = Mask((one.found * 1).astype(np.uint8), geometry(), PLEURA_LABELS)
    known = Mask(reference(), geometry(), AIRWAY_LABELS)
    options = EvaluateOptions(pred_labels="pleura", ref_labels="pleura")
    lungs = evaluate(found, known, options)["structures"]["lungs"]
    every = list(region_rows(one, OWNER))
    for kind in (PLACE, CONTENT, DEPTH):
        rows = [row for row in every if row.kind == kind]
        for name in ("false_positive_ml", "false_negative_ml", "reference_ml"):
            assert sum(getattr(row, name) for row in rows) == pytest.approx(lungs[name])
        assert sum(row.error_share or 0 for row in rows) == pytest.approx(1)
        assert sum(row.surface_share or 0 for row in rows) == pytest.approx(1)


def test_distances_are_of_their_region_alone() -> None:
    """The outer two columns of the left lung are missing: 8 mm at the costal edge."""
    left = reference() == 2
    outermost = np.where(left.any(axis=2), X.shape[2] - left[:, :, ::-1].argmax(axis=2), 0)
    columns = np.arange(X.shape[2])[None, None]
    shaved = left & (columns >= outermost[..., None] - 2) & (X > 90)
    places = by_region(compared(remove=shaved), PLACE)
    costal, medial = places["costal edge"], places["mediastinal edge"]
    assert costal.error_share is not None and costal.error_share > 0.9
    assert costal.surface_p95_mm == pytest.approx(8, abs=1)
    assert medial.surface_p95_mm == 0 and medial.surface_mean_mm == 0
    assert costal.false_negative_ml is not None and costal.false_positive_ml == 0


def test_what_is_found_far_off_shows_in_the_found_distance() -> None:
    far = by_region(compared(add=ball(-120, -80, 130, 12)), PLACE)["elsewhere"]
    assert far.false_positive_ml == pytest.approx(ball(-120, -80, 130, 12).sum() * VOXEL_ML)
    assert far.surface_mean_mm is None and far.surface_share == 0
    assert far.found_p95_mm is not None and far.found_p95_mm > 20


def test_nothing_found_has_no_distances() -> None:
    one = compared(remove=np.ones_like(X, dtype=bool))
    rows = by_region(one, PLACE).values()
    assert all(row.surface_p95_mm is None and row.found_p95_mm is None for row in rows)
    assert sum(row.false_negative_ml or 0 for row in rows) == pytest.approx(
        one.lungs.sum() * VOXEL_ML
    )


def test_no_error_has_no_share() -> None:
    rows = by_region(compared(), PLACE).values()
    assert {row.error_share for row in rows} == {None}


def test_an_edge_is_one_voxel_on_either_side() -> None:
    one = compared()
    found = depths(one)
    grown = one.lungs.copy()
    for axis in range(3):
        grown |= shifted(one.lungs, axis, 1) | shifted(one.lungs, axis, -1)
    assert (found[grown & ~one.lungs] == AT_THE_EDGE).all()
    assert (found[~grown] != AT_THE_EDGE).all()
    assert (found[ball(0, 0, -75, 10)] == FAR).all()


@pytest.mark.parametrize("order", ORDERS[:: max(1, len(ORDERS) // 4)])
def test_any_orientation_gives_the_same_comparison(order: tuple) -> None:
    axes, flips = order
    grid = geometry().transposed(axes, flips)
    along = [axis for axis, flip in enumerate(flips) if flip]
    one = compared(remove=ball(0, 0, -80, 15))

    def stored(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(array.transpose(axes), along))

    turned = Comparison.of(
        Volume(stored(hu()), grid),
        Mask(stored((one.found * one.reference).astype(np.uint8)), grid, PLEURA_LABELS),
        Mask(stored(reference()), grid, AIRWAY_LABELS),
    )
    straight = Comparison.of(
        Volume(hu(), geometry()),
        Mask((one.found * one.reference).astype(np.uint8), geometry(), PLEURA_LABELS),
        Mask(reference(), geometry(), AIRWAY_LABELS),
    )
    assert turned is not None and straight is not None
    assert turned.spacing == straight.spacing and turned.first_slice == straight.first_slice
    for name in ("hu", "found", "reference"):
        assert (getattr(turned, name) == getattr(straight, name)).all()


def test_two_empty_masks_are_no_comparison() -> None:
    nothing = Mask(np.zeros(X.shape, np.uint8), geometry(), PLEURA_LABELS)
    assert Comparison.of(Volume(hu(), geometry()), nothing, nothing) is None
