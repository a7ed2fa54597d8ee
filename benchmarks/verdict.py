"""Does the verdict find bad masks, and does it leave good ones alone?

    python -m benchmarks.verdict ../shared/data --out docs/quality

Three experiments on volumes and slices of roles train and validation (--roles): good masks (the
model's and the references), masks made wrong (lab.corrupt), scans made wrong and segmented
(lab.miswritten). Writes one CSV each and the tables of docs/quality.md, between its markers.
Limits were chosen on these patients; `--roles test` shows others, once an issue.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy import Case, cases
from pleura import PleuraError, Segmenter
from pleura.findings import Finding
from pleura.lab.corrupt import CORRUPTIONS, Scene
from pleura.lab.miswritten import MISWRITTEN
from pleura.lab.prepare import load_pair
from pleura.preprocess import Orientation
from pleura.quality import judge
from pleura.read import read
from pleura.volume import Geometry, Mask, Volume

COLUMNS = ("experiment", "way", "set", "scan", "role", "outcome", "codes", "dice")
_PIXEL_MM = 3.0  # in plane; what the verdict looks at
_CROP_SLICES = 10


@dataclass(frozen=True)
class Row:
    """One judged mask: `outcome` is a verdict or `refused`; Dice against the good mask."""

    experiment: str
    way: str
    set: str
    scan: str
    role: str
    outcome: str
    codes: str
    dice: str


def canonical(volume: Volume, labels: np.ndarray) -> tuple[Volume, np.ndarray]:
    """Both in canonical order."""
    orientation = Orientation.of(volume.geometry)
    hu = np.ascontiguousarray(orientation.apply(volume.array))
    grid = orientation.geometry(volume.geometry)
    return Volume(hu, grid), np.ascontiguousarray(orientation.apply(labels))


def thinned(volume: Volume, labels: np.ndarray) -> tuple[Volume, np.ndarray]:
    """Every n-th row and column, so that corrupting costs little."""
    step = max(1, round(_PIXEL_MM / volume.geometry.spacing_zyx_mm[2]))
    place = (slice(None), slice(step // 2, None, step), slice(step // 2, None, step))
    hu = np.ascontiguousarray(volume.array[place])
    affine = volume.geometry.affine.copy()
    affine[:3, :2] *= step
    return Volume(hu, Geometry(hu.shape, affine)), np.ascontiguousarray(labels[place])


def crop(volume: Volume, labels: np.ndarray, first: int) -> tuple[Volume, np.ndarray]:
    """Some slices of a canonical scan."""
    part = slice(first, first + _CROP_SLICES)
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 2] * first
    hu = volume.array[part]
    return Volume(hu, Geometry(hu.shape, affine)), labels[part]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (a == 1) | (a == 2), (b == 1) | (b == 2)
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else 1.0


class Experiment:
    """Runs the three experiments on one scan after the other."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter

    def rows(self, case: Case) -> Iterator[Row]:
        labelled = load_pair(case.pair)
        volume, reference = labelled.volume, labelled.mask()
        place = (case.set_name, case.pair.name, case.role)

        def row(experiment: str, way: str, found: Sequence[Finding], score: float) -> Row:
            return Row(experiment, way, *place, *_outcome(found), f"{score:.4f}")

        result = self.segmenter.segment(volume)
        score = dice(result.mask.array, reference.array)
        yield row("good", "model", result.quality.findings, score)
        if "right" in labelled.channels and np.any((reference.array == 1) | (reference.array == 2)):
            sides = Mask(np.where(reference.array > 2, 0, reference.array), volume.geometry, LABELS)
            yield row("good", "reference", judge(volume, sides).quality.findings, 1.0)
        if case.set_name != "volumes":
            return
        scan, good = canonical(volume, result.mask.array)
        for first in np.linspace(0, len(good) - _CROP_SLICES, 6).astype(int):
            part, expected = crop(scan, good, int(first))
            cropped = self.segmenter.segment(part)
            score = dice(cropped.mask.array, expected)
            yield row("good", "ten slices of the scan", cropped.quality.findings, score)
        small, labels = thinned(scan, good)
        for name, corrupt in CORRUPTIONS.items():
            spacing = small.geometry.spacing_zyx_mm
            bad = corrupt(Scene(labels, small.array, spacing, np.random.default_rng(0)))
            found = judge(small, Mask(bad, small.geometry, LABELS)).quality.findings
            yield row("mask", name, found, dice(bad, labels))
        for name, miswrite in MISWRITTEN.items():
            wrong = miswrite(scan, good, np.random.default_rng(0))
            try:
                result = self.segmenter.segment(read(wrong.image()))
            except PleuraError as error:
                yield Row("scan", name, *place, "refused", error.code, "")
                continue
            score = dice(result.mask.array, wrong.expected)
            yield row("scan", name, result.quality.findings, score)


LABELS = {1: "right lung", 2: "left lung"}


def _outcome(findings: Sequence[Finding]) -> tuple[str, str]:
    severities = {finding.severity for finding in findings}
    worst = next((s for s in ("fail", "warn") if s in severities), "pass")
    return worst, " ".join(f"{f.severity}:{f.code}" for f in findings)


def tables(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Marker -> lines of Markdown."""
    return {
        "good": _table(rows, "good", lambda row: f"{row.set}: {row.way}"),
        "mask": _table(rows, "mask", lambda row: row.way),
        "scan": _table(rows, "scan", lambda row: row.way),
    }


def _table(rows: Sequence[Row], experiment: str, group: Callable[[Row], str]) -> list[str]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.experiment == experiment:
            groups.setdefault(group(row), []).append(row)
    lines = [
        "| | n | pass | warn | fail | refused | worst Dice of pass | findings (number of scans) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, part in groups.items():
        outcomes = Counter(row.outcome for row in part)
        passed = [float(row.dice) for row in part if row.outcome == "pass"]
        codes = Counter(code for row in part for code in sorted(set(_told(row))))
        told = ", ".join(f"{code} {n}" for code, n in codes.most_common())
        counts = " | ".join(str(outcomes[kind]) for kind in ("pass", "warn", "fail", "refused"))
        worst = f"{min(passed):.3f}" if passed else "-"
        lines.append(f"| {name} | {len(part)} | {counts} | {worst} | {told} |")
    return lines


def _told(row: Row) -> list[str]:
    """Codes of warnings and failures, and of refusals; notes don't count."""
    words = [word.rpartition(":") for word in row.codes.split()]
    return [code for severity, _, code in words if severity != "note"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--roles", nargs="+", default=["train", "validation"])
    parser.add_argument("--out", type=Path, help="folder of verdict.csv; the page beside it is set")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args(arguments)
    experiment = Experiment(Segmenter(threads=options.threads))
    rows: list[Row] = []
    for case in cases(options.data, options.roles):
        print(f"{case.set_name}/{case.pair.name}", file=sys.stderr)
        rows += experiment.rows(case)
    for name, lines in tables(rows).items():
        print(f"\n## {name}\n", *lines, sep="\n")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / "verdict.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
