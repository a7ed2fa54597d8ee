from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.statistics import bootstrap_interval


def test_none_below_six():
    assert bootstrap_interval([0.9] * 5) is None
    assert bootstrap_interval([]) is None
    assert bootstrap_interval([0.9] * 6) == pytest.approx((0.9, 0.9))


def test_same_seed_same_interval():
    values = np.random.default_rng(1).random(12).tolist()
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_agrees_with_the_normal_interval_on_many_values():
    values = np.random.default_rng(0).normal(0.9, 0.05, 400)
    interval = bootstrap_interval(values.tolist())
    assert interval is not None
    half = 1.96 * values.std() / np.sqrt(values.size)
    assert interval == pytest.approx((values.mean() - half, values.mean() + half), abs=half * 0.1)


def test_patients_are_resampled_with_all_their_scans():
    values = [0.8, 0.8, 0.8, 0.9] * 6
    patients = [f"p{i // 4}" for i in range(24)]  # each patient repeats the same four scans
    assert bootstrap_interval(values, patients=patients) == pytest.approx((0.825, 0.825))
    low, high = bootstrap_interval(values)
    assert low < 0.82 < 0.83 < high


def test_six_scans_of_five_patients_are_too_few():
    assert bootstrap_interval([0.9] * 6, patients=["a", "a", "b", "c", "d", "e"]) is None


def test_every_value_needs_its_patient():
    with pytest.raises(ValueError):
        bootstrap_interval([0.9] * 7, patients=["a"] * 6)
