"""Intervals and tests against hand calculation, text books and the normal distribution."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab.statistics import bootstrap_interval, holm, paired_wilcoxon, patient_means


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


# Hollander and Wolfe (1999), table 3.1: depression factors of nine patients before and after
# tranquillizer; T+ = 40, two-sided exact P = 0.039.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def test_wilcoxon_of_a_text_book() -> None:
    assert paired_wilcoxon(BEFORE, AFTER) == pytest.approx(20 / 2**9)
    assert paired_wilcoxon(AFTER, BEFORE) == paired_wilcoxon(BEFORE, AFTER)


def test_wilcoxon_by_hand() -> None:
    better = [0.9, 0.8, 0.95, 0.7, 0.85, 0.99]
    worse = [value - 0.01 * (i + 1) for i, value in enumerate(better)]
    assert paired_wilcoxon(better, worse) == pytest.approx(2 / 2**6)  # one of 64 signs, two sides
    assert paired_wilcoxon(better[:5], worse[:5]) is None
    assert paired_wilcoxon([], []) is None
    assert paired_wilcoxon(better, better) == 1.0


def test_differences_that_are_equal_on_paper_tie() -> None:
    a, b = [0.3, 0.2, 0.4, 0.5, 0.6, 0.7], [0.2, 0.1, 0.3, 0.6, 0.7, 0.8]
    # Six equal ranks, three of each sign: the most even outcome there is.
    assert paired_wilcoxon(a, b) == pytest.approx(1.0)


def test_an_infinite_distance_has_the_highest_rank() -> None:
    a, b = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.inf], [1.5, 2.6, 3.7, 4.8, 5.9, np.inf, np.inf]
    in_words = [6.0 if value == np.inf else value for value in a[:6]]
    far = [value if value != np.inf else 1e6 for value in b[:6]]
    assert paired_wilcoxon(a, b) == paired_wilcoxon(in_words, far) == pytest.approx(2 / 2**6)


def test_wilcoxon_needs_pairs_of_numbers() -> None:
    with pytest.raises(ValueError, match="two numbers"):
        paired_wilcoxon([0.9] * 7, [0.9] * 6)
    with pytest.raises(ValueError, match="two numbers"):
        paired_wilcoxon([np.nan] * 6, [0.9] * 6)


def test_a_missing_scipy_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(UsageError, match=r"pip install 'pleura\[lab\]'"):
        paired_wilcoxon(BEFORE, AFTER)


def test_holm_by_hand() -> None:
    # Sorted 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04 x 1, each at least its predecessor.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.01, None, 0.02]) == pytest.approx([0.02, None, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([None]) == [None] and holm([]) == []


def test_patient_means_keep_the_first_order() -> None:
    found = patient_means([0.8, 0.5, 1.0], ["b", "a", "b"])
    assert list(found.items()) == [("b", pytest.approx(0.9)), ("a", 0.5)]
