"""Turned and bent slices: image and targets go together, sides stay with their lungs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.lab.small_store import training_store
from tests.lab.tiny import STILL, slices_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return training_store(tmp_path_factory.mktemp("store"))


def draw(store, **changes):
    images, targets, _ = slices_of(store, augment=replace(STILL, **changes)).draw(0)
    return images, targets


def middle(plane):
    """(y, x) of a plane's weight."""
    h, w = plane.shape
    y, x = torch.arange(h).float(), torch.arange(w).float()
    return torch.stack([(plane.sum(1) * y).sum(), (plane.sum(0) * x).sum()]) / plane.sum()


def with_sides(targets):
    return [k for k in range(len(targets)) if targets[k, :2].sum(dim=(1, 2)).min() > 20]


def test_a_half_turn_moves_both_lungs_to_the_other_side(store):
    (_, before), (_, after) = draw(store), draw(store, prone=1.0)
    centre = torch.tensor([31.5, 31.5])
    chosen = with_sides(before)
    assert chosen
    for k in chosen:
        for side in (0, 1):
            expected = 2 * centre - middle(before[k, side])
            assert torch.allclose(middle(after[k, side]), expected, atol=0.5)


def test_a_quarter_turn_lays_the_lungs_one_above_the_other(store):
    (_, before), (_, after) = draw(store), draw(store, decubitus=1.0)
    chosen = with_sides(before)
    assert chosen
    for k in chosen:
        apart = (middle(before[k, 0]) - middle(before[k, 1])).abs()
        turned = (middle(after[k, 0]) - middle(after[k, 1])).abs()
        assert apart[1] > 3 * apart[0] and turned[0] > 3 * turned[1]


def test_bending_moves_image_and_targets_alike(store):
    """Lungs are dark: where a target went, its air must have gone."""
    (still, before), (bent, after) = draw(store), draw(store, elastic=0.02)
    assert not torch.equal(still, bent)
    for k in with_sides(before):
        was, now = (targets[k, :2].sum(dim=0) > 0.99 for targets in (before, after))
        assert not torch.equal(was, now)
        assert int(now.sum()) == pytest.approx(int(was.sum()), rel=0.3)
        # Of 0 to 1 over 1624 HU: lung is below 0.2, soft tissue above 0.6.
        assert bent[k, 0][now].median() == pytest.approx(float(still[k, 0][was].median()), abs=0.03)


def test_without_them_the_draws_stay_the_same(store):
    assert torch.equal(draw(store)[0], draw(store, elastic=0.0, decubitus=0.0)[0])
