"""Does the verdict find bad masks, and does it leave good ones alone?

    python -m benchmarks.verdict ../shared/data --out docs/quality

Three experiments on volumes and slices of roles train and validation (--roles): good masks (the
model's and the references), masks made wrong (lab.corrupt), scans made wrong and segmented
(lab.miswritten). Keeps a row a judged mask in OUT/verdict.csv and sets the tables of the page
OUT.md; --report does the latter alone. Limits were chosen on these patients; `--roles test` shows
others, once an issue.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy import Case, cases
from benchmarks.pages import set_and_print
from pleura import PleuraError, Segmenter
from pleura.findings import Finding, verdict_of
from pleura.lab.corrupt import CORRUPTIONS, Scene
from pleura.lab.finding_codes import codes_of
from pleura.lab.metrics import overlap
from pleura.lab.miswritten import MISWRITTEN
from pleura.lab.pages import Blocks
from pleura.lab.prepare import load_pair
from pleura.lab.verdicts.rows import REFUSED, Row, read_verdicts, write_verdicts
from pleura.lab.verdicts.scans import Scan, canonical, crop, thinned
from pleura.lab.verdicts.tables import tables
from pleura.labels import AIRWAYS, PLEURA_LABELS
from pleura.quality import judge
from pleura.read import read
from pleura.volume import LabelArray, Mask
from pleura.write.atomic import make_folder

ROOT = Path(__file__).resolve().parents[1]
ROWS = "verdict.csv"
_CROP_SLICES = 10
_CROPS = 6


@dataclass(frozen=True)
class Place:
    """Where a row comes from."""

    set: str
    scan: str
    role: str

    def row(self, experiment: str, way: str, findings: Sequence[Finding], dice: float) -> Row:
        told = verdict_of(findings), codes_of(findings)
        return Row(experiment, way, self.set, self.scan, self.role, *told, dice)

    def refused(self, experiment: str, way: str, error: PleuraError) -> Row:
        return Row(experiment, way, self.set, self.scan, self.role, REFUSED, error.code)


def lung_dice(found: LabelArray, expected: LabelArray) -> float:
    """Of both lungs together; airways are none."""
    ours, theirs = ((a > 0) & (a != AIRWAYS) for a in (found, expected))
    return overlap(ours, theirs).dice


def rows_of(case: Case, segmenter: Segmenter) -> Iterator[Row]:
    """All rows of one scan; only volumes are made wrong."""
    place = Place(case.set_name, case.pair.name, case.role)
    labelled = load_pair(case.pair)
    volume, reference = labelled.volume, labelled.mask()
    result = segmenter.segment(volume)
    dice = lung_dice(result.mask.array, reference.array)
    yield place.row("good", "model", result.quality.findings, dice)
    lungs = np.where(reference.array == AIRWAYS, 0, reference.array).astype(np.uint8)
    if "right" in labelled.channels and lungs.any():
        found = judge(volume, Mask(lungs, volume.geometry, PLEURA_LABELS)).quality.findings
        yield place.row("good", "reference", found, 1.0)
    if case.set_name == "volumes":
        scan = canonical(volume, result.mask.array)
        yield from cropped(place, scan, segmenter)
        yield from corrupted(place, thinned(*scan))
        yield from miswritten(place, scan, segmenter)


def cropped(place: Place, scan: Scan, segmenter: Segmenter) -> Iterator[Row]:
    """Parts of a good scan, segmented alone."""
    last = max(0, len(scan[1]) - _CROP_SLICES)
    for first in np.linspace(0, last, _CROPS).astype(int):
        part, expected = crop(*scan, int(first), _CROP_SLICES)
        result = segmenter.segment(part)
        dice = lung_dice(result.mask.array, expected)
        yield place.row("good", "ten slices of the scan", result.quality.findings, dice)


def corrupted(place: Place, scan: Scan) -> Iterator[Row]:
    """Masks made wrong, judged as they are."""
    volume, labels = scan
    for name, corrupt in CORRUPTIONS.items():
        rng = np.random.default_rng(0)
        bad = corrupt(Scene(labels, volume.array, volume.geometry.spacing_zyx_mm, rng))
        found = judge(volume, Mask(bad, volume.geometry, PLEURA_LABELS)).quality.findings
        yield place.row("mask", name, found, lung_dice(bad, labels))


def miswritten(place: Place, scan: Scan, segmenter: Segmenter) -> Iterator[Row]:
    """Scans made wrong, read and segmented."""
    for name, miswrite in MISWRITTEN.items():
        wrong = miswrite(*scan, np.random.default_rng(0))
        try:
            result = segmenter.segment(read(wrong.image()))
        except PleuraError as error:
            yield place.refused("scan", name, error)
            continue
        dice = lung_dice(result.mask.array, wrong.expected)
        yield place.row("scan", name, result.quality.findings, dice)


def compute(options: argparse.Namespace) -> Iterator[list[Row]]:
    """All rows so far, after each scan."""
    segmenter = Segmenter(threads=options.threads)
    rows: list[Row] = []
    for case in cases(options.data, options.roles):
        print(f"{case.set_name}/{case.pair.name}", file=sys.stderr)
        rows += rows_of(case, segmenter)
        yield rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=ROOT.parent / "shared" / "data")
    parser.add_argument("--roles", nargs="+", default=["train", "validation"])
    parser.add_argument("--out", type=Path, required=True, help="folder; its page is OUT.md")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--report", action="store_true", help="only the tables of known rows")
    options = parser.parse_args(arguments)
    file, page = options.out / ROWS, options.out.with_suffix(".md")

    def made() -> Blocks:
        if not options.report:
            make_folder(options.out)
            for rows in compute(options):
                write_verdicts(rows, file)
        return tables(read_verdicts(file))

    return set_and_print(page, "verdict", made)


if __name__ == "__main__":
    sys.exit(main())
