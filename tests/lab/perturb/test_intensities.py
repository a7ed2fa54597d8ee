"""Noise, kernels, offsets and metal do to HU what they say."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.perturb import PERTURBATIONS
from pleura.lab.perturb.metal import rods_of, streaks
from pleura.lab.perturb.noise import dose_noise
from pleura.volume import Geometry, Volume
from tests.phantom import chest

BY_NAME = {one.name: one for one in PERTURBATIONS}


def water(shape: tuple[int, int, int] = (4, 96, 96), radius_mm: float = 90.0) -> Volume:
    """A cylinder of 0 HU in air, 3 mm pixels."""
    y = (np.arange(shape[1]) - (shape[1] - 1) / 2)[:, None] * 3.0
    x = (np.arange(shape[2]) - (shape[2] - 1) / 2)[None, :] * 3.0
    hu = np.where(np.hypot(y, x) < radius_mm, 0, -1000).astype(np.int16)
    return Volume(np.repeat(hu[None], shape[0], 0), Geometry.from_parts(shape, (5.0, 3.0, 3.0)))


def change(name: str, scan: Volume, strength: float) -> np.ndarray:
    done = BY_NAME[name].apply(scan, strength, np.random.default_rng(1)).volume
    return done.array.astype(float) - scan.array


def test_white_noise_has_the_spread_that_was_asked_for() -> None:
    middle = change("noise", water(), 40)[:, 40:56, 40:56]
    assert middle.std() == pytest.approx(40, rel=0.1)
    neighbours = np.corrcoef(middle[:, :, 1:].ravel(), middle[:, :, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.15


def test_a_lower_dose_is_noisier_by_its_root() -> None:
    """A quarter and a sixteenth of the dose add 3 and 15 times the variance of all of it."""
    quarter, sixteenth = (change("low_dose", water(), 100 / n)[:, 40:56, 40:56] for n in (4, 16))
    assert quarter.std() == pytest.approx(12 * np.sqrt(3), rel=0.35)
    assert sixteenth.std() / quarter.std() == pytest.approx(np.sqrt(15 / 3), rel=0.05)


def test_thick_slices_get_more_noise_along_the_thick_direction() -> None:
    """An oval twice as wide as high, as shoulders are: streaks from side to side."""
    y, x = np.ogrid[-47.5:48.5, -47.5:48.5]
    thin = np.where(np.hypot(y / 20, x / 20) < 1, 0, -1000)
    wide = np.where(np.hypot(y / 20, x / 45) < 1, 0, -1000)
    hu = np.stack([thin, thin, thin, wide]).astype(np.int16)
    scan = Volume(hu, Geometry.from_parts(hu.shape, (5.0, 5.0, 5.0)))
    noise = dose_noise(scan, np.random.default_rng(0))[:, 40:56, 40:56]
    assert noise[3].std() > 2 * noise[:3].std()
    along, across = np.diff(noise[3], axis=1).std(), np.diff(noise[3], axis=0).std()
    assert along < 0.7 * across


def test_a_smooth_kernel_has_its_width() -> None:
    """A point becomes a Gaussian that falls to half at half of the width."""
    hu = np.zeros((1, 41, 41), dtype=np.int16)
    hu[0, 20, 20] = 3000
    scan = Volume(hu, Geometry.from_parts(hu.shape, (5.0, 0.5, 0.5)))
    blurred = BY_NAME["smooth_kernel"].apply(scan, 4, np.random.default_rng(0)).volume.array[0]
    assert blurred[20, 24] / blurred[20, 20] == pytest.approx(0.5, abs=0.02)


def test_a_sharp_kernel_overshoots_at_edges() -> None:
    hu = np.full((1, 40, 40), -800, dtype=np.int16)
    hu[:, :, 20:] = 0
    scan = Volume(hu, Geometry.from_parts(hu.shape, (5.0, 1.0, 1.0)))
    sharp = BY_NAME["sharp_kernel"].apply(scan, 2, np.random.default_rng(0)).volume.array[0]
    assert sharp[:, 20].mean() > 150 and sharp[:, 19].mean() < -950


def test_offset_and_scale_are_plain_arithmetic() -> None:
    scan = water()
    assert np.all(change("offset", scan, -200) == -200)
    scaled = BY_NAME["scale"].apply(scan, 1.2, np.random.default_rng(0)).volume.array
    assert scaled.min() == -1200 and scaled.max() == 0


def test_padding_stays_padding_under_noise() -> None:
    scan = water()
    hu = scan.array.copy()
    hu[:, :5] = -2000
    noisy = change("noise", Volume(hu, scan.geometry), 100)
    assert np.all(noisy[:, :5] == 0) and np.any(noisy[:, 5:])


def test_metal_is_bright_dark_between_and_kept_to_its_slices() -> None:
    rods = np.zeros((1, 96, 96), dtype=bool)
    rods[0, 46:50, 24:28] = rods[0, 46:50, 68:72] = True
    error = streaks(rods, (3.0, 3.0))[0]
    assert error[47, 48] < -100  # midway
    assert abs(error[15, 48]) < 30  # beside

    phantom = chest((24, 96, 96), (10.0, 4.0, 4.0))
    scan = Volume(phantom.hu, phantom.geometry)
    one, three = (rods_of(scan, n, np.random.default_rng(3)) for n in (1, 3))
    assert one.any() and np.all(three[one]) and three.sum() > one.sum()
    assert (phantom.labels[three] == 0).mean() > 0.8
    done = BY_NAME["metal"].apply(scan, 3, np.random.default_rng(3)).volume.array
    assert np.all(done[three] == 3071)
    untouched = ~three.any(axis=(1, 2))
    assert untouched.any() and np.array_equal(done[untouched], scan.array[untouched])
