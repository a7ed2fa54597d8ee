"""An error that is planted in a place is counted there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pleura.lab.error_map.comparison import Comparison, border
from pleura.lab.error_map.places import ELSEWHERE, PLACES, main_bronchi, places, surface_places
from pleura.labels import LEFT, RIGHT
from tests.lab.error_map.planted import X, Y, Z, ball, compared, reference, shifted

LABELS = reference()
LUNGS = (LABELS == RIGHT) | (LABELS == LEFT)
MIDDLE = (Z > -20) & (Z < 60) & (np.abs(Y) < 40)


def apex() -> Comparison:
    return compared(remove=Z > 110)


def base() -> Comparison:
    """The right lung reaches a slice too deep over the dome's middle."""
    return compared(
        add=shifted(LABELS == RIGHT, 0, -1) & (Z < -30) & (np.abs(X + 70) < 20) & (np.abs(Y) < 20)
    )


def mediastinal() -> Comparison:
    right = LABELS == RIGHT
    far = MIDDLE & (Z > 45)
    return compared(add=shifted(right, 2, 1) & ~LUNGS & (X > -70) & far)


def costal() -> Comparison:
    return compared(add=shifted(LABELS == LEFT, 2, 1) & (X > 75) & MIDDLE)


def hilum() -> Comparison:
    return compared(remove=ball(24, -5, 25, 8) | ball(24, -5, -25, 8))


def interior() -> Comparison:
    return compared(remove=ball(0, 0, -80, 15))


def elsewhere() -> Comparison:
    return compared(add=ball(-120, -80, 130, 12))


@pytest.mark.parametrize(
    ("planted", "place"),
    [
        (apex, "apex"), (base, "base"), (mediastinal, "mediastinal edge"),
        (costal, "costal edge"), (hilum, "hilum"), (interior, "interior"),
        (elsewhere, "elsewhere"),
    ],
)  # fmt: skip
def test_a_planted_error_is_counted_where_it_is(
    planted: Callable[[], Comparison], place: str
) -> None:
    one = planted()
    wrong = one.found ^ one.lungs
    assert wrong.sum() > 10
    counts = np.bincount(places(one)[wrong], minlength=len(PLACES))
    assert PLACES[counts.argmax()] == place
    assert counts.max() >= 0.8 * wrong.sum()


def test_every_border_voxel_has_a_place_and_no_other_voxel() -> None:
    one = compared()
    assert ((surface_places(one) > 0) == border(one.lungs)).all()


def test_places_of_both_lungs_mirror_each_other() -> None:
    """Medial is to the left for the right lung, to the right for the left one."""
    found = surface_places(compared())
    for side, sign in ((RIGHT, 1), (LEFT, -1)):
        edge = (found == PLACES.index("mediastinal edge")) & (side == LABELS)
        outer = (found == PLACES.index("costal edge")) & (side == LABELS)
        assert sign * (X[edge].mean() - X[outer].mean()) > 30


def test_far_voxels_are_elsewhere_and_deep_ones_inside() -> None:
    one = compared()
    found = places(one)
    assert found[20, 0, 0] == ELSEWHERE
    assert (found[one.lungs] != ELSEWHERE).all()


def test_main_bronchi_begin_where_the_airways_part() -> None:
    airways = np.zeros((6, 20, 20), dtype=bool)
    airways[3:, 9:12, 9:12] = True  # trachea
    airways[1:3, 9:12, 3:8] = airways[1:3, 9:12, 12:17] = True
    below = main_bronchi(airways, (5.0, 2.0, 2.0))
    assert below[:3].sum() == airways[:3].sum() and not below[3:].any()
    single = airways[4:5]
    assert (main_bronchi(single, (5.0, 2.0, 2.0)) == single).all()
    assert not main_bronchi(np.zeros_like(airways), (5.0, 2.0, 2.0)).any()
