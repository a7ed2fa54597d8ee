"""Scale and offset."""

from __future__ import annotations

from dataclasses import replace

import torch

from pleura.lab.augment import change_intensity
from tests.lab.augment.plain import seeded
from tests.lab.tiny import STILL


def test_scaling_keeps_air():
    for options in (replace(STILL, scale=0.2), replace(STILL, rare_scale=0.25)):
        air = torch.full((64, 1, 4, 4), -1024.0)
        torch.testing.assert_close(change_intensity(air, options, seeded(0)), air)
    water = change_intensity(torch.zeros(64, 1, 4, 4), replace(STILL, scale=0.2), seeded(0))
    shares = (water[:, 0, 0, 0] + 1024) / 1024
    assert 0.8 <= shares.min() < 0.85 and 1.15 < shares.max() <= 1.2


def test_wider_ranges_are_those_of_one_item_in_ten():
    water = torch.zeros(2000, 1, 1, 1)
    options = replace(STILL, offset_hu=50.0, rare_offset_hu=150.0)
    offsets = change_intensity(water, options, seeded(0)).flatten()
    assert -150 <= offsets.min() < -130 and 130 < offsets.max() <= 150
    assert 0.04 < (offsets.abs() > 50).float().mean() < 0.09  # two thirds of a tenth
    scales = change_intensity(water, replace(STILL, rare_scale=0.25), seeded(0)).flatten() / 1024
    assert -0.25 <= scales.min() < -0.2 and 0.2 < scales.max() <= 0.25
    assert 0.07 < (scales.abs() > 1e-6).float().mean() < 0.13
