"""All that moves no pixel: what changes, what must stay, and that it repeats."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pleura.lab.augment import AugmentOptions, Batch, augment_intensity
from tests.lab.augment.plain import N, seeded
from tests.lab.tiny import STILL

NEW = {
    "low_dose": 1.0, "metal": 1.0, "strong_kernel": 1.0, "thick_slice": 1.0, "breathing": 1.0,
    "side_cut": 1.0, "rare_scale": 0.25, "rare_offset_hu": 150.0, "field_cut": 1.0, "padding": 1.0,
}  # fmt: skip
OLD = {
    "scale": 0.2, "offset_hu": 50.0, "noise_hu": 70.0, "sharpen": 0.8, "gas": 1.0, "opacity": 1.0,
}  # fmt: skip
CUTS = ("field_cut", "side_cut")


def test_all_off_changes_nothing_but_rounding(batch):
    out = augment_intensity(batch, STILL, seeded())
    assert (out.images - batch.images).abs().max() < 1e-3
    assert torch.equal(out.targets, batch.targets)
    assert torch.equal(out.known, batch.known)


@pytest.mark.parametrize("option", [name for name in (*OLD, *NEW) if name != "padding"])
def test_each_option_does_something_by_itself(batch, option):
    options = replace(STILL, **{option: {**OLD, **NEW}[option]})
    outs = [augment_intensity(batch, options, seeded(seed)) for seed in range(8)]
    assert any(((out.images - batch.images).abs() > 1).any() for out in outs)
    if option not in CUTS:
        assert all(torch.equal(out.targets, batch.targets) for out in outs)


def test_what_is_new_is_off_unless_asked_for():
    options = AugmentOptions()
    assert all(getattr(options, name) == 0 for name in NEW if name != "field_cut")
    assert options.stretch == options.elastic == options.decubitus == options.prone == 0


def test_everything_on_keeps_targets_in_range_and_input_untouched(batch):
    before = batch.images.clone(), batch.targets.clone()
    options = AugmentOptions(**{**OLD, **NEW})
    for seed in range(5):
        out = augment_intensity(batch, options, seeded(seed))
        assert out.images.shape == batch.images.shape
        assert out.targets.min() >= 0 and out.targets.max() <= 1
        assert torch.isfinite(out.images).all()
    assert torch.equal(batch.images, before[0]) and torch.equal(batch.targets, before[1])


def test_same_generator_same_result_other_seed_other_result(batch):
    options = AugmentOptions(**{**OLD, **dict.fromkeys(NEW, 0.5)})
    for seed in range(5):
        first = augment_intensity(batch, options, seeded(seed))
        again = augment_intensity(batch, options, seeded(seed))
        other = augment_intensity(batch, options, seeded(seed + 1))
        assert torch.equal(first.images, again.images)
        assert torch.equal(first.targets, again.targets)
        assert not torch.equal(first.images, other.images)


@pytest.mark.parametrize("option", [*OLD, *NEW])
def test_an_item_does_not_depend_on_its_neighbours(batch, option):
    options = replace(STILL, **{option: {**OLD, **NEW}[option]})
    others = batch.images.clone()
    others[1:] = others[1:].flip(-1) + 300
    for seed in range(3):
        first = augment_intensity(batch, options, seeded(seed)).images
        second = augment_intensity(
            Batch(others, batch.targets, batch.known), options, seeded(seed)
        ).images
        # Metal's places are drawn for all items at once, each from its own tissue.
        torch.testing.assert_close(first[0], second[0], rtol=0, atol=1e-3)


@pytest.mark.parametrize("option", ["low_dose", "metal", "breathing", "thick_slice", "gas"])
def test_a_probability_is_the_share_of_items(batch, option):
    many = Batch(*(part.repeat(50, 1, 1, 1)[: 50 * N] for part in (batch.images, batch.targets)),
                 batch.known.repeat(50, 1))  # fmt: skip
    out = augment_intensity(many, replace(STILL, **{option: 0.25}), seeded())
    share = ((out.images - many.images).abs() > 1).flatten(1).any(dim=1).float().mean()
    assert 0.15 < share < 0.35
