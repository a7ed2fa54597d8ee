"""Fields of view: image and targets are hidden alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pleura.lab.augment import cut_field
from pleura.lab.augment.field import cut
from tests.lab.augment.plain import H, W, seeded
from tests.lab.tiny import STILL


def test_the_field_cut_hides_image_and_targets_alike(batch):
    images, targets = cut_field(batch.images, batch.targets, 1.0, seeded(0))
    hidden = images != batch.images
    assert hidden.any()
    assert set(images[hidden].tolist()) <= {-1024.0, 0.0}
    assert (targets * hidden).sum() == 0
    kept = ~hidden.expand_as(targets)
    # where nothing is hidden targets stay; tissue equal to the filling can't be told apart
    assert torch.equal(targets[kept], batch.targets[kept])
    assert targets.sum() > 0


def of_edges(hidden):
    """Which of left, right, front and back a mask of (H, W) covers whole."""
    return hidden[:, 0].all(), hidden[:, -1].all(), hidden[0].all(), hidden[-1].all()


def test_a_side_cut_is_straight_and_hides_image_and_targets_alike():
    images, targets = torch.full((200, 1, H, W), 40.0), torch.ones(200, 3, H, W)
    images, targets = cut(images, targets, replace(STILL, side_cut=1.0), seeded(0))
    hidden = images[:, 0] != 40
    assert torch.equal(targets == 0, hidden[:, None].expand_as(targets))
    numbers = torch.tensor([sum(bool(end) for end in of_edges(item)) for item in hidden])
    assert set(numbers.tolist()) <= {0, 1, 2} and 0.15 < (numbers == 2).float().mean() < 0.35
    kept = ~hidden
    rows, columns = kept.any(dim=2), kept.any(dim=1)
    assert torch.equal(kept, rows[:, :, None] & columns[:, None, :])  # a rectangle
    assert (rows.sum(dim=1) >= 0.6 * H - 1).all() and (columns.sum(dim=1) >= 0.6 * W - 1).all()
    assert all(any(of_edges(item)[side] for item in hidden) for side in range(4))


@pytest.mark.parametrize("option", ["field_cut", "side_cut"])
def test_padding_is_anything_from_far_below_air_to_water(option):
    images, targets = torch.full((300, 1, H, W), 40.0), torch.ones(300, 3, H, W)
    options = replace(STILL, **{option: 1.0}, padding=1.0)
    images, _ = cut(images, targets, options, seeded(0))
    fillings = images[images != 40].unique()
    assert len(fillings) > 150
    assert -3024 <= fillings.min() < -2900 and -100 < fillings.max() <= 0
