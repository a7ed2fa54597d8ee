"""Which labels does a cross-validation disagree with? A list for people; nothing is dropped.

A network that has not seen a scan rarely makes the mistakes of that scan's labels, so labels far
from its prediction are either wrong or of a hard scan (Northcutt et al. 2021, "confident
learning", has the idea for classes).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pleura.lab.csv_rows import write_rows
from pleura.lab.metrics import BoolArray, Spacing, overlap, surface_distances
from pleura.lab.store import Scan

LEAST_SCANS = 6  # of a source; of fewer no spread can be told
LIMIT = 3.0  # median absolute deviations, as standard deviations
_MAD_TO_SD = 1.4826  # of a normal distribution
# Of equal scans the spread is nothing, and then every small difference would be far off.
_LEAST_SD: Mapping[str, float] = {"dice": 0.002, "sides_dice": 0.002, "assd_mm": 0.1}

COLUMNS = (
    "source", "name", "patient", "runs", "dice", "sides_dice", "assd_mm", "hd95_mm", "worst_slice",
    "deviations", "suspicious",
)  # fmt: skip


@dataclass(frozen=True)
class Disagreement:
    """How far a prediction is from a scan's labels, on the network's grid.

    Args:
        source, name, patient: the scan.
        dice, assd_mm, hd95_mm: of both lungs together; distances are infinite where one of the two
            is empty.
        sides_dice: the smaller Dice of the two lungs; None where sides are unknown, or a side is
            empty in both.
        worst_slice: in which most pixels differ, counted from 0 at the feet.
        runs: that predicted the scan; numbers are their means, the slice is the worst run's.
        deviations: how far beyond the source's median the worst of the numbers lies, in standard
            deviations told by the median absolute deviation; None with too few scans.
        suspicious: more than the limit.
    """

    source: str
    name: str
    patient: str
    dice: float
    assd_mm: float
    hd95_mm: float
    sides_dice: float | None
    worst_slice: int
    runs: int = 1
    deviations: float | None = None
    suspicious: bool = False


def compare(
    scan: Scan, found: BoolArray, labelled: BoolArray, spacing_zyx_mm: Spacing
) -> Disagreement:
    """Prediction against labels of one scan, booleans (structures, z, h, w); see `held_out`."""
    distances = surface_distances(found[0], labelled[0], spacing_zyx_mm, threads=1)
    sides = [
        overlap(ours, theirs).dice
        for ours, theirs in zip(found[1:], labelled[1:], strict=True)
        if ours.any() or theirs.any()
    ]
    differing = (found[0] ^ labelled[0]).sum(axis=(1, 2))
    if sides and not differing.any():
        differing = (found[1] ^ labelled[1]).sum(axis=(1, 2))
    return Disagreement(
        scan.source, scan.name, scan.patient, overlap(found[0], labelled[0]).dice,
        distances.assd_mm(), distances.hd95_mm(), min(sides, default=None),
        int(differing.argmax()),
    )  # fmt: skip


def ranked(rows: Iterable[Disagreement], limit: float = LIMIT) -> list[Disagreement]:
    """One row a scan, the farthest from its source's median first; then those without a median.

    Dice below the median and distances above it count; each source has its own, since a slice
    alone is harder than a volume, and each reader draws otherwise.
    """
    scans: dict[tuple[str, str], list[Disagreement]] = {}
    for row in rows:
        scans.setdefault((row.source, row.name), []).append(row)
    means = [_mean(same) for same in scans.values()]
    judged: list[Disagreement] = []
    for source in sorted({row.source for row in means}):
        judged += _judged([row for row in means if row.source == source], limit)
    return sorted(
        judged,
        key=lambda row: (-(row.deviations if row.deviations is not None else -math.inf), row.dice),
    )


def write_csv(rows: Iterable[Disagreement], path: Path) -> None:
    """Write the list as CSV, atomically; raises OutputError."""
    write_rows([_line(row) for row in rows], COLUMNS, path)


def as_record(row: Disagreement) -> dict[str, object]:
    """The row for JSON, which has no infinities."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in vars(row).items()
    }


def _mean(same: list[Disagreement]) -> Disagreement:
    """One scan's rows of several runs as one."""
    if len(same) == 1:
        return same[0]
    sides = [row.sides_dice for row in same if row.sides_dice is not None]
    return replace(
        min(same, key=lambda row: row.dice),
        dice=float(np.mean([row.dice for row in same])),
        assd_mm=float(np.mean([row.assd_mm for row in same])),
        hd95_mm=float(np.mean([row.hd95_mm for row in same])),
        sides_dice=float(np.mean(sides)) if sides else None,
        runs=sum(row.runs for row in same),
    )


def _judged(rows: list[Disagreement], limit: float) -> list[Disagreement]:
    """Rows of one source with their deviations."""
    if len(rows) < LEAST_SCANS:
        return rows
    far = [0.0] * len(rows)
    for key, sign in (("dice", -1.0), ("sides_dice", -1.0), ("assd_mm", 1.0)):
        values = np.array([np.nan if (v := getattr(r, key)) is None else v for r in rows], float)
        finite = values[np.isfinite(values)]
        if finite.size < LEAST_SCANS:
            continue
        median = np.median(finite)
        spread = max(_MAD_TO_SD * float(np.median(abs(finite - median))), _LEAST_SD[key])
        beyond = sign * (values - median) / spread
        far = [max(a, float(b)) if not math.isnan(b) else a
               for a, b in zip(far, beyond, strict=True)]  # fmt: skip
    return [
        replace(row, deviations=value, suspicious=value > limit)
        for row, value in zip(rows, far, strict=True)
    ]


def _line(row: Disagreement) -> dict[str, object]:
    digits = {"dice": 4, "sides_dice": 4, "assd_mm": 3, "hd95_mm": 3, "deviations": 1}
    line: dict[str, object] = {column: getattr(row, column) for column in COLUMNS}
    for column, places in digits.items():
        value = getattr(row, column)
        line[column] = "" if value is None else round(value, places)
    return {**line, "suspicious": "yes" if row.suspicious else "no"}
