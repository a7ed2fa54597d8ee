"""Noise: its strength, its direction and where it is."""

from __future__ import annotations

from dataclasses import replace

import torch

from pleura.lab.augment.noise import dose_noise, noisy
from tests.lab.augment.plain import H, N, W, seeded
from tests.lab.tiny import STILL


def body(n):
    """Air with a wide lower and a narrow upper part of water."""
    images = torch.full((n, 1, H, W), -1024.0)
    images[:, :, 24:, 4:60], images[:, :, :24, 24:40] = 0, 0
    return images


def test_white_noise_is_at_most_as_strong_as_asked_and_not_everywhere():
    images = torch.zeros(300, 1, 16, 16)
    spread = noisy(images, replace(STILL, noise_hu=70.0), seeded(0)).flatten(1).std(dim=1)
    assert 0.5 < (spread > 0).float().mean() < 0.7
    assert 50 < spread.max() < 90


def test_low_dose_is_strongest_where_the_body_is_widest():
    noise = dose_noise(body(20), seeded(0))
    wide, narrow = noise[:, :, 30:].flatten(1).std(dim=1), noise[:, :, :18].flatten(1).std(dim=1)
    assert (wide > 3 * narrow).all()
    assert wide.min() > 20 and wide.max() < 200


def test_low_dose_runs_along_x_and_has_no_mean():
    noise = dose_noise(torch.zeros(20, 1, H, W), seeded(0))
    along = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    across = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / noise.square().mean()
    assert along > 0.7 and across < 0
    assert noise.mean().abs() < 0.05 * noise.std()


def test_low_dose_leaves_the_others_alone():
    images = body(N)
    out = noisy(images, replace(STILL, low_dose=0.5), seeded(1))
    changed = (out != images).flatten(1).any(dim=1)
    assert changed.any() and not changed.all()
