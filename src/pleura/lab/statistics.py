"""Intervals and tests over patients."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pleura.errors import as_pleura_error

Patient = TypeVar("Patient", bound=Hashable)

MIN_PATIENTS = 6
_DRAWS_AT_ONCE = 500
# Differences that are equal on paper must tie: 0.3 - 0.2 and 0.2 - 0.1 aren't the same float.
_DECIMALS = 9


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
    owners = range(len(values)) if patients is None else patients
    groups = list(_by_patient(values, owners).values())
    k = len(groups)
    if k < MIN_PATIENTS:
        return None
    sums = np.array([sum(group) for group in groups], dtype=np.float64)
    counts = np.array([len(group) for group in groups], dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, n, _DRAWS_AT_ONCE):
        drawn = rng.integers(0, k, size=(min(_DRAWS_AT_ONCE, n - start), k))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def paired_wilcoxon(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Two-sided p-value of Wilcoxon's signed-rank test on paired values (Wilcoxon 1945).

    Zero differences are left out (Wilcoxon's own rule), rounded to 1e-9 so that what is equal on
    paper ties; small samples get the exact distribution.

    Args:
        a, b: one value a patient, in one order. An infinite value (a distance to an empty mask) is
            farther than every finite one; two infinite ones don't differ.

    Returns:
        The p-value; None below six pairs; 1.0 when all differences are zero.

    Raises:
        UsageError: scipy isn't installed.
        ValueError: `a` and `b` differ in length, or a value is not a number.
    """
    differences = _differences(a, b)
    if differences.size < MIN_PATIENTS:
        return None
    if not differences.any():
        return 1.0
    try:
        from scipy.stats import wilcoxon  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        raise as_pleura_error(error) from None
    return float(wilcoxon(differences, zero_method="wilcox").pvalue)


@dataclass(frozen=True)
class Agreement:
    """Two measurements of the same things (Bland and Altman 1986).

    Args:
        means, differences: of each pair; a difference is measured minus reference.
        bias: mean of the differences.
        limits: bias -+ 1.96 standard deviations, between which 95 % of normally distributed
            differences lie; None below six patients.
    """

    means: tuple[float, ...]
    differences: tuple[float, ...]
    bias: float
    limits: tuple[float, float] | None


def agreement(
    measured: Sequence[float],
    reference: Sequence[float],
    patients: Sequence[Hashable] | None = None,
) -> Agreement:
    """Bias and 95 % limits of agreement of paired finite numbers, one pair a scan.

    Args:
        measured, reference: at least one number each, in one order.
        patients: whose scan each pair is; None takes each for a patient.
    """
    first = np.asarray(measured, dtype=np.float64)
    second = np.asarray(reference, dtype=np.float64)
    differences = first - second
    bias = float(differences.mean())
    limits = None
    if len(set(patients) if patients is not None else first) >= MIN_PATIENTS:
        half = 1.96 * float(differences.std(ddof=1))
        limits = (bias - half, bias + half)
    means = (first + second) / 2
    return Agreement(tuple(means.tolist()), tuple(differences.tolist()), bias, limits)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Holm 1979) of the p-values of one table.

    None (no test was made) stays None and doesn't count.
    """
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = highest
    return adjusted


def patient_means(values: Sequence[float], patients: Sequence[Patient]) -> dict[Patient, float]:
    """Patient -> mean of the patient's values, so that patients, not scans, are compared.

    Args:
        values: one number a scan.
        patients: whose scan each value is.
    """
    grouped = _by_patient(values, patients)
    return {patient: sum(group) / len(group) for patient, group in grouped.items()}


def mean_of(values: Iterable[float]) -> float | None:
    """The mean, None of nothing."""
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else None


def _by_patient(values: Sequence[float], patients: Sequence[Patient]) -> dict[Patient, list[float]]:
    grouped: dict[Patient, list[float]] = {}
    for owner, value in zip(patients, values, strict=True):
        grouped.setdefault(owner, []).append(float(value))
    return grouped


def _differences(a: Sequence[float], b: Sequence[float]) -> npt.NDArray[np.float64]:
    """a - b with ties as on paper; a rank test needs infinite ones only to be the largest."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or np.isnan(first).any() or np.isnan(second).any():
        raise ValueError("A paired test needs two numbers for each patient.")
    differences = np.zeros_like(first)
    np.subtract(first, second, out=differences, where=first != second)
    finite = np.isfinite(differences)
    largest = 1.0 + np.abs(differences[finite]).max(initial=0.0)
    return np.where(finite, differences, np.sign(differences) * largest).round(_DECIMALS)
