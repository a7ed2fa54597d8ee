"""Intervals over patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

MIN_PATIENTS = 6
_DRAWS_AT_ONCE = 500


def bootstrap_interval(
    values: Sequence[float],
    seed: int = 0,
    n: int = 10_000,
    patients: Sequence[Hashable] | None = None,
) -> tuple[float, float] | None:
    """95 % interval of the mean by the percentile bootstrap (Efron and Tibshirani 1993).

    Args:
        values: one finite number a scan.
        seed: of the resampling; the same call gives the same interval.
        n: how many resamples.
        patients: whose scan each value is; patients are resampled with all their scans. None
            takes each value for a patient.

    Returns:
        (low, high), or None below six patients, where an interval would be a pretence.
    """
    sums, counts = _by_patient(values, patients)
    k = len(sums)
    if k < MIN_PATIENTS:
        return None
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, n, _DRAWS_AT_ONCE):
        drawn = rng.integers(0, k, size=(min(_DRAWS_AT_ONCE, n - start), k))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def _by_patient(
    values: Sequence[float], patients: Sequence[Hashable] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum and number of each patient's values."""
    owners = range(len(values)) if patients is None else patients
    grouped: dict[Hashable, list[float]] = {}
    for owner, value in zip(owners, values, strict=True):
        grouped.setdefault(owner, []).append(float(value))
    sums = np.array([sum(group) for group in grouped.values()], dtype=np.float64)
    counts = np.array([len(group) for group in grouped.values()], dtype=np.float64)
    return sums, counts
