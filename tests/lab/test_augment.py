"""Augmentation: what moves, what changes, what must stay, and that it repeats."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pleura.lab.augment import (
    AugmentOptions,
    Batch,
    affine_matrices,
    augment_intensity,
    change_intensity,
    cut_field,
    paint,
    swap_sides,
)
from tests.lab.tiny import STILL

N, H, W = 4, 48, 64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    """Soft tissue with a dark right and left lung and an airway between, the rest known."""
    images = torch.full((N, 1, H, W), 40.0)
    targets = torch.zeros(N, 3, H, W)
    targets[:, 0, 10:40, 8:28], targets[:, 1, 10:40, 36:56] = 1, 1
    targets[:, 0, 10:40, 28] = 0.25  # a partial volume at the edge
    targets[:, 2, 20:24, 30:34] = 1
    images[:, 0][targets.sum(dim=1) >= 1] = -830
    return Batch(images, targets, torch.ones(N, 3, dtype=torch.bool))


def test_all_off_changes_nothing_but_rounding(batch):
    out = augment_intensity(batch, STILL, seeded())
    assert (out.images - batch.images).abs().max() < 1e-3
    assert torch.equal(out.targets, batch.targets)
    assert torch.equal(out.known, batch.known)
    identity = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(N, 2, 3)
    assert torch.equal(affine_matrices(STILL, N, seeded()), identity)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("scale", 0.2),
        ("offset_hu", 50.0),
        ("noise_hu", 70.0),
        ("sharpen", 0.8),
        ("gas", 1.0),
        ("opacity", 1.0),
        ("field_cut", 1.0),
    ],
)
def test_each_intensity_option_does_something_by_itself(batch, option, value):
    out = augment_intensity(batch, replace(STILL, **{option: value}), seeded(3))
    changed = (out.images - batch.images).abs().amax(dim=(1, 2, 3)) > 1
    assert changed.any()
    if option != "field_cut":
        assert torch.equal(out.targets, batch.targets)


def test_everything_on_keeps_targets_in_range_and_input_untouched(batch):
    before = batch.images.clone(), batch.targets.clone()
    options = AugmentOptions(field_cut=1.0, gas=1.0, opacity=1.0)
    for seed in range(5):
        out = augment_intensity(batch, options, seeded(seed))
        assert out.targets.min() >= 0 and out.targets.max() <= 1
        assert torch.isfinite(out.images).all()
    assert torch.equal(batch.images, before[0]) and torch.equal(batch.targets, before[1])


def test_same_generator_same_result_other_seed_other_result(batch):
    options = AugmentOptions(field_cut=0.5, gas=0.5, opacity=0.5)
    for seed in range(5):
        first = augment_intensity(batch, options, seeded(seed))
        again = augment_intensity(batch, options, seeded(seed))
        other = augment_intensity(batch, options, seeded(seed + 1))
        assert torch.equal(first.images, again.images)
        assert torch.equal(first.targets, again.targets)
        assert not torch.equal(first.images, other.images)
    assert torch.equal(
        affine_matrices(options, N, seeded(1)), affine_matrices(options, N, seeded(1))
    )
    assert not torch.equal(
        affine_matrices(options, N, seeded(1)), affine_matrices(options, N, seeded(2))
    )


def test_opacities_lie_inside_the_lungs_and_gas_outside(batch):
    lungs = batch.targets[:, :2].sum(dim=1, keepdim=True)
    inside, outside = lungs == 1, lungs == 0
    clouded = paint(batch.images, lungs, replace(STILL, opacity=1.0), seeded(0))
    assert (clouded - batch.images)[inside].max() > 200
    assert torch.equal(clouded[outside], batch.images[outside])
    gassed = paint(batch.images, lungs, replace(STILL, gas=1.0), seeded(0))
    assert (gassed - batch.images)[outside].min() < -500
    assert torch.equal(gassed[inside], batch.images[inside])


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


def test_scaling_keeps_air(batch):
    air = torch.full((8, 1, 4, 4), -1024.0)
    out = change_intensity(air, replace(STILL, scale=0.2), seeded(0))
    assert torch.equal(out, air)
    water = change_intensity(torch.zeros(64, 1, 4, 4), replace(STILL, scale=0.2), seeded(0))
    shares = (water[:, 0, 0, 0] + 1024) / 1024
    assert 0.8 <= shares.min() < 0.85 and 1.15 < shares.max() <= 1.2


def test_mirror_and_upside_down_are_signs():
    mirrored = affine_matrices(replace(STILL, mirror=1.0), N, seeded())
    assert torch.equal(mirrored, torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).expand(N, 2, 3))
    upside = affine_matrices(replace(STILL, upside_down=1.0), N, seeded())
    assert torch.equal(upside, torch.tensor([[1.0, 0, 0], [0, -1, 0]]).expand(N, 2, 3))


def test_ranges_of_zoom_rotation_and_shift():
    zooms = torch.linalg.det(affine_matrices(replace(STILL, zoom=1.0), 200, seeded())[:, :, :2])
    assert 0.25 <= zooms.min() < 0.35 and 3 < zooms.max() <= 4  # areas: side 1/2 to 2
    turned = affine_matrices(replace(STILL, rotation_deg=30.0), 200, seeded())
    angles = torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0]))
    assert -30 <= angles.min() < -25 and 25 < angles.max() <= 30.001
    moved = affine_matrices(replace(STILL, shift=0.1), 200, seeded())[:, :, 2]
    for axis in (0, 1):  # in half frame widths
        assert -0.2 <= moved[:, axis].min() < -0.15 and 0.15 < moved[:, axis].max() <= 0.2


def test_without_zoom_distances_stay():
    options = replace(STILL, rotation_deg=30.0, mirror=0.5, upside_down=0.5)
    turns = affine_matrices(options, 50, seeded())[:, :, :2]
    identity = torch.eye(2).expand(50, 2, 2)
    torch.testing.assert_close(turns @ turns.transpose(1, 2), identity)
    assert {-1, 1} == set(torch.linalg.det(turns).round().int().tolist())


def test_only_items_with_sides_swap_them():
    targets = torch.rand(3, 3, 2, 2)
    swapped = swap_sides(targets, torch.tensor([True, False, True]))
    assert torch.equal(swapped[0, 0], targets[0, 1]) and torch.equal(swapped[0, 1], targets[0, 0])
    assert torch.equal(swapped[1], targets[1])
    assert torch.equal(swapped[:, 2], targets[:, 2])
