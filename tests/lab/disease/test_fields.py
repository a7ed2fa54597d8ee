"""Random fields and the level sets that shapes grow from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pleura.lab.disease.fields import share_of, smooth_noise, unit_ramp

INSIDE = np.zeros((1, 30, 40), bool)
INSIDE[0, 5:25, 5:35] = True


@given(st.floats(0.02, 0.98), st.integers(0, 2**32))
def test_a_share_is_that_share_of_the_inside_and_its_highest(share, seed):
    score = np.random.default_rng(seed).standard_normal(INSIDE.shape).astype(np.float32)
    cover = share_of(score, INSIDE, share)
    chosen = (cover > 0) & INSIDE
    assert chosen.sum() / INSIDE.sum() == pytest.approx(share, abs=0.01)
    assert score[chosen].min() >= score[INSIDE & ~chosen].max()


def test_a_soft_border_is_half_at_the_limit():
    score = np.linspace(0, 1, INSIDE.size, dtype=np.float32).reshape(INSIDE.shape)
    every = np.ones_like(INSIDE)
    cover = share_of(score, every, 0.5, 0.1)
    assert cover.ravel()[INSIDE.size // 2] == pytest.approx(0.5, abs=0.01)
    assert 0.5 < cover[score > 0.6].min() < cover.max() <= 1


def test_nothing_inside_gives_nothing():
    assert share_of(np.ones((1, 3, 3), np.float32), np.zeros((1, 3, 3), bool), 0.5).sum() == 0


@given(st.floats(8, 60), st.integers(0, 100))
def test_noise_has_unit_variance_and_bumps_of_its_grain(grain_mm, seed):
    noise = smooth_noise((1, 128, 128), (3, 1.5, 1.5), grain_mm, np.random.default_rng(seed))
    assert noise.std() == pytest.approx(1, rel=0.05)
    # Neighbours differ little when a bump has many voxels.
    step = np.abs(np.diff(noise, axis=2)).mean()
    assert step < 2.5 * 1.5 / grain_mm


def test_noise_goes_on_through_the_slices():
    noise = smooth_noise((20, 32, 32), (2, 2, 2), 20.0, np.random.default_rng(0))
    along, across = np.abs(np.diff(noise, axis=0)).mean(), np.abs(np.diff(noise, axis=1)).mean()
    assert along == pytest.approx(across, rel=0.5)


def test_a_ramp_goes_from_0_to_1_inside():
    values = np.arange(INSIDE.size, dtype=np.float32).reshape(INSIDE.shape)
    ramp = unit_ramp(values, INSIDE)
    assert ramp[INSIDE].min() == 0 and ramp[INSIDE].max() == 1
