"""Scores of scans -> means over patients, intervals and paired tests, for each set and role.

The order of averaging: seeds of a scan, then scans of a patient, then patients. A scan that has no
score in one of a row's seeds is left out of that row altogether (and counted), so that the means
of the seeds are about the same scans and average to the row's mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pleura.lab.statistics import bootstrap_interval, holm, mean_of, paired_wilcoxon, patient_means
from pleura.lab.study.scores import ScanScore, StudyRecord

ALL_SETS = "all patients"
_TEST = "test"

Interval = tuple[float, float]
ScanKey = tuple[str, str]  # set and name


@dataclass(frozen=True)
class ScanMean:
    """One scan of one row, averaged over the row's seeds; None where there is no such number.

    Args:
        by_seed: Dice of each seed, in the order of seeds; empty where `dice` is None.
        hd95_mm: infinite where a mask is empty in one of the seeds.
    """

    set: str
    name: str
    patient: str
    role: str
    has_lung: bool
    failed: bool
    dice: float | None
    seed_slice_dice: float | None
    hd95_mm: float | None
    by_seed: tuple[float, ...]

    @property
    def key(self) -> ScanKey:
        return self.set, self.name


@dataclass(frozen=True)
class Cell:
    """One row of the study on the scans of one set and role.

    Args:
        seeds: of the row's training runs; empty for a row that isn't trained.
        scored: the scans that have a Dice.
        seed_slice_dice: mean over patients, scans without lung included.
        hd95_mm: median over scans, infinite where an infinite one decides; None for `ALL_SETS`,
            since a contour's distance in a slice and a surface's in a volume don't mix.
        no_lung: scans whose reference is empty; `kept_empty` of them were predicted empty by
            every seed.
        failed: scans that have an error, no Dice, or a seed without score.
    """

    seeds: tuple[int, ...]
    scored: tuple[ScanMean, ...]
    seed_slice_dice: float | None
    hd95_mm: float | None
    no_lung: int
    kept_empty: int
    failed: int

    @cached_property
    def patients(self) -> dict[str, float]:
        """Patient -> mean Dice of the patient's scans."""
        return _over_patients((scan, scan.dice) for scan in self.scored)

    @cached_property
    def interval(self) -> Interval | None:
        """95 % bootstrap interval of `dice` over patients; None below six."""
        return bootstrap_interval(list(self.patients.values()))

    @property
    def dice(self) -> float | None:
        """Mean over patients."""
        return mean_of(self.patients.values())

    @cached_property
    def seed_means(self) -> dict[int, float]:
        """Seed -> mean Dice over patients of this seed alone."""
        means = {}
        for i, seed in enumerate(self.seeds):
            mean = mean_of(_over_patients((scan, scan.by_seed[i]) for scan in self.scored).values())
            if mean is not None:
                means[seed] = mean
        return means

    @property
    def seed_range(self) -> float | None:
        """Largest minus smallest seed's mean; None without two seeds."""
        means = self.seed_means.values()
        return max(means) - min(means) if len(means) > 1 else None

    @property
    def worst(self) -> ScanMean | None:
        """The scan with the lowest Dice."""
        return min(self.scored, key=lambda scan: scan.dice or 0.0, default=None)


@dataclass(frozen=True)
class PairedTest:
    """A row against the reference row on the test scans that both have, one difference a patient.

    Args:
        differences: patient -> Dice of the row minus Dice of the reference row.
        p: Wilcoxon's signed-rank test, `p_holm` corrected over all tests of the study; None below
            six patients.
    """

    row: str
    set: str
    differences: Mapping[str, float]
    interval: Interval | None
    p: float | None
    p_holm: float | None

    @property
    def mean(self) -> float:
        return sum(self.differences.values()) / len(self.differences)


@dataclass(frozen=True)
class Aggregate:
    """A study in numbers.

    Args:
        rows: every row that was asked for, those without numbers at the end where the record
            doesn't place them.
        sets: data sets in the record's order; `ALL_SETS` last where there are several.
        cells: (row, set, role) -> numbers; a combination without scores isn't there.
        tests: in the order of sets, then rows; none for `ALL_SETS`, whose patients they hold.
    """

    rows: tuple[str, ...]
    sets: tuple[str, ...]
    cells: Mapping[tuple[str, str, str], Cell]
    tests: tuple[PairedTest, ...]

    def of(self, set_: str, role: str) -> dict[str, Cell]:
        """Row -> cell."""
        found = ((row, self.cells.get((row, set_, role))) for row in self.rows)
        return {row: cell for row, cell in found if cell}

    def scans(self, set_: str, role: str) -> dict[ScanKey, str]:
        """Every scan that any row has a Dice for -> its patient."""
        cells = self.of(set_, role).values()
        return {scan.key: scan.patient for cell in cells for scan in cell.scored}

    def incomplete(self, cell: Cell, set_: str, role: str) -> bool:
        """Whether the cell lacks a scan that another row has, so that its mean isn't comparable."""
        return len(cell.scored) < len(self.scans(set_, role))


def aggregate(record: StudyRecord) -> Aggregate:
    """Sum a study up.

    Raises:
        ValueError: a scan has two scores of one row and seed, or a score's row isn't in `rows`.
    """
    _check(record)
    means = {row: _scan_means([s for s in record.scores if s.row == row]) for row in record.rows}
    sets = list(dict.fromkeys(score.set for score in record.scores))
    if len(sets) > 1:
        sets.append(ALL_SETS)
    roles = list(dict.fromkeys(score.role for score in record.scores))
    cells = {}
    for row, (seeds, scans) in means.items():
        for set_ in sets:
            for role in roles:
                chosen = [s for s in scans if s.role == role and set_ in (s.set, ALL_SETS)]
                if chosen:
                    cells[row, set_, role] = _cell(seeds, chosen, pooled=set_ == ALL_SETS)
    rows = tuple(dict.fromkeys([*record.rows, *(title for title, _ in record.missing)]))
    # Pooled patients are tested in their own sets; once more would only enlarge Holm's family.
    tests = _tests(cells, record, [set_ for set_ in sets if set_ != ALL_SETS])
    return Aggregate(rows, tuple(sets), cells, tests)


def _check(record: StudyRecord) -> None:
    seen = set()
    for score in record.scores:
        key = score.row, score.seed, score.set, score.name
        if score.row not in record.rows or key in seen:
            raise ValueError(f"The score {key} is double or of a row that the study doesn't have.")
        seen.add(key)


def _scan_means(scores: Sequence[ScanScore]) -> tuple[tuple[int, ...], list[ScanMean]]:
    """The seeds of a row, and its scans averaged over them."""
    seeds = sorted({score.seed for score in scores if score.seed is not None})
    by_scan: dict[ScanKey, list[ScanScore]] = {}
    for score in sorted(scores, key=lambda score: score.seed or 0):
        by_scan.setdefault((score.set, score.name), []).append(score)
    # Sorted by seed for the averages, but scans in the record's order.
    order = dict.fromkeys((score.set, score.name) for score in scores)
    return tuple(seeds), [_scan_mean(by_scan[key], max(len(seeds), 1)) for key in order]


def _scan_mean(scores: Sequence[ScanScore], expected: int) -> ScanMean:
    first = scores[0]
    dices = [score.dice for score in scores if score.dice is not None]
    failed = (
        any(score.error is not None for score in scores)
        or len(scores) < expected
        or (first.has_lung and len(dices) < len(scores))
    )
    scored = first.has_lung and not failed
    return ScanMean(
        first.set, first.name, first.patient, first.role, first.has_lung, failed,
        dice=mean_of(dices) if scored else None,
        seed_slice_dice=None if failed else _mean_if_all([s.seed_slice_dice for s in scores]),
        hd95_mm=_mean_if_all([_hd95(score) for score in scores]) if scored else None,
        by_seed=tuple(dices) if scored else (),
    )  # fmt: skip


def _hd95(score: ScanScore) -> float | None:
    """Without overlap and distance one mask is empty: as far as can be. Else None: not measured."""
    return float("inf") if score.hd95_mm is None and score.dice == 0 else score.hd95_mm


def _cell(seeds: tuple[int, ...], scans: Sequence[ScanMean], pooled: bool) -> Cell:
    slices = _over_patients((scan, scan.seed_slice_dice) for scan in scans)
    distances = [scan.hd95_mm for scan in scans if scan.hd95_mm is not None]
    without = [scan for scan in scans if not scan.has_lung and not scan.failed]
    return Cell(
        seeds=seeds,
        scored=tuple(scan for scan in scans if scan.dice is not None),
        seed_slice_dice=mean_of(slices.values()),
        hd95_mm=float(np.median(distances)) if distances and not pooled else None,
        no_lung=len(without),
        kept_empty=sum(scan.seed_slice_dice == 1 for scan in without),
        failed=sum(scan.failed for scan in scans),
    )


def _tests(
    cells: Mapping[tuple[str, str, str], Cell], record: StudyRecord, sets: Iterable[str]
) -> tuple[PairedTest, ...]:
    compared = []
    for set_ in sets:
        reference = cells.get((record.reference_row, set_, _TEST))
        for row in record.rows:
            cell = cells.get((row, set_, _TEST))
            if row == record.reference_row or not cell or not reference:
                continue
            theirs, ours = _common_patients(cell, reference)
            if theirs:
                p = paired_wilcoxon(list(theirs.values()), [ours[name] for name in theirs])
                compared.append((row, set_, {n: theirs[n] - ours[n] for n in theirs}, p))
    corrected = holm([p for *_, p in compared])
    return tuple(
        PairedTest(row, set_, found, bootstrap_interval(list(found.values())), p, p_holm)
        for (row, set_, found, p), p_holm in zip(compared, corrected, strict=True)
    )


def _common_patients(first: Cell, second: Cell) -> tuple[dict[str, float], dict[str, float]]:
    """Patient -> mean Dice for both cells, over the scans that both have."""
    common = {scan.key for scan in first.scored} & {scan.key for scan in second.scored}
    one, other = (
        _over_patients((scan, scan.dice) for scan in cell.scored if scan.key in common)
        for cell in (first, second)
    )
    return one, other


def _over_patients(values: Iterable[tuple[ScanMean, float | None]]) -> dict[str, float]:
    having = [(scan.patient, value) for scan, value in values if value is not None]
    return patient_means([value for _, value in having], [patient for patient, _ in having])


def _mean_if_all(values: Sequence[float | None]) -> float | None:
    """The mean, or None where a value is missing."""
    return None if None in values else mean_of([value for value in values if value is not None])
