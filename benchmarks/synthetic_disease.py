"""How well are sick lungs found whose mask is known, since the disease was painted in?

    python -m benchmarks.synthetic_disease ../shared/data --roles validation --csv disease.csv

Paints every disease of lab.disease into every volume and sick-set slice with lung of the roles,
under seeds of its own (training draws from pairs of numbers, this from triples) and with textures
of the scan's own tissue and of lesions of other patients of the same roles, which no training run
has seen. Prints Markdown: a line a disease with mean, worst and a bootstrap interval over patients.
"Before" is the same model on the scan as it was; a lesion that is there already stays there. HD95
is the mean over scans that have one, with the number of those without (nothing found, or no lung).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import Case, arguments_of, cases, segmenter_of
from pleura import PleuraError, Segmenter, Volume
from pleura.lab.csv_rows import write_rows
from pleura.lab.disease import DISEASES, Chest, Donor, Field, around_lungs, lesions_of, with_disease
from pleura.lab.metrics import overlap, surface_distances
from pleura.lab.prepare import load_pair
from pleura.lab.statistics import bootstrap_interval
from pleura.preprocess import Orientation
from pleura.volume import nibabel_image

SEED = 20261123
SETS = ("volumes", "sick_slices")
DONOR_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Known:
    """A scan of known lungs, as occupancies 0 to 1, (z, y, x)."""

    case: Case
    volume: Volume
    lungs: Field

    @classmethod
    def of(cls, case: Case) -> Known:
        labelled = load_pair(case.pair)
        lungs = np.isin(labelled.mask().array, (1, 2))
        return cls(case, labelled.volume, lungs.astype(np.float32))


@dataclass(frozen=True)
class Row:
    """Dice and HD95 of both lungs in one scan with one disease ("none": as it was)."""

    set: str
    scan: str
    patient: str
    role: str
    disease: str
    seed: int
    dice: float
    hd95_mm: float
    nsd_2mm: float
    verdict: str


def painted(known: Known, disease: str, seed: int, donors: Sequence[Donor]) -> tuple[Volume, Field]:
    """The scan with a disease, and what is lung then."""
    name = f"{known.case.pair.name} {disease}".encode()
    rng = np.random.default_rng((SEED, zlib.crc32(name), seed))
    turn = Orientation.of(known.volume.geometry)  # gravity is the patient's, not the file's
    spacing = turn.geometry(known.volume.geometry).spacing_zyx_mm
    hu = np.array(turn.apply(known.volume.array), np.float32, order="C")
    lungs = np.array(turn.apply(known.lungs), np.float32, order="C")
    box = around_lungs(lungs, spacing)
    chest = Chest(hu[box], lungs[box], spacing, rng, donors, DONOR_SHARE)
    sick = with_disease(chest, [disease])
    hu[box] = sick.hu
    lungs[box] *= sick.still_lung
    array = np.clip(np.rint(hu), -32768, 32767).astype(np.int16)
    array = np.ascontiguousarray(turn.undo(array))
    return replace(known.volume, array=array), np.ascontiguousarray(turn.undo(lungs))


def score(segmenter: Segmenter, known: Known, disease: str, seed: int, donors: list[Donor]) -> Row:
    volume, lungs = known.volume, known.lungs
    if disease != "none":
        volume, lungs = painted(known, disease, seed, donors)
    result = segmenter.segment(nibabel_image(volume.array, volume.geometry))
    ours, theirs = result.mask.array > 0, lungs >= 0.5
    distances = surface_distances(ours, theirs, volume.geometry.spacing_zyx_mm)
    case = known.case
    return Row(
        case.set_name, case.pair.name, case.patient, case.role, disease, seed,
        overlap(ours, theirs).dice, distances.hd95_mm(), distances.nsd(2.0), result.quality.verdict,
    )  # fmt: skip


def wanted(data: Path, roles: list[str]) -> Iterator[Known]:
    for case in cases(data, roles):
        if case.set_name in SETS:
            known = Known.of(case)
            if known.lungs.any():
                yield known


def scored(data: Path, roles: list[str], segmenter: Segmenter, seeds: int) -> Iterator[Row]:
    """Every scan as it was and with every disease."""
    scans = list(wanted(data, roles))
    lesions = {id(k): lesions_of(k.volume.array.astype(np.float32), k.lungs,
                                 k.volume.geometry.spacing_zyx_mm) for k in scans}  # fmt: skip
    for known in scans:
        others = [d for k in scans if k.case.patient != known.case.patient for d in lesions[id(k)]]
        yield score(segmenter, known, "none", 0, others)
        for disease in DISEASES:
            for seed in range(seeds):
                yield score(segmenter, known, disease, seed, others)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def table(rows: Sequence[Row]) -> list[str]:
    """A line a set and disease, and one over all diseases."""
    lines = [
        "| set | disease | n (patients) | Dice: mean (95 % CI), worst | before "
        "| HD95 mm | not passed |",
        "|---|---|---|---|---|---|---|",
    ]
    for set_name in SETS:
        part = [row for row in rows if row.set == set_name]
        before = {row.scan: row.dice for row in part if row.disease == "none"}
        for disease in (*DISEASES, "all"):
            sick = [r for r in part if r.disease == disease or disease == "all"]
            sick = [r for r in sick if r.disease != "none"]
            if sick:
                lines.append(_line(f"{set_name} | {disease}", sick, before))
    return lines


def _line(name: str, sick: Sequence[Row], before: dict[str, float]) -> str:
    dice, patients = [row.dice for row in sick], [row.patient for row in sick]
    interval = bootstrap_interval(dice, patients=patients)
    worst = min(sick, key=lambda row: row.dice)
    text = f"{np.mean(dice):.4f}"
    text += "" if interval is None else f" ({interval[0]:.4f} to {interval[1]:.4f})"
    finite = [row.hd95_mm for row in sick if np.isfinite(row.hd95_mm)]
    hd95 = f"{np.mean(finite):.2f}" if finite else "-"
    if len(finite) < len(sick):
        hd95 += f" ({len(sick) - len(finite)} without)"
    told = sum(row.verdict != "pass" for row in sick)
    return (
        f"| {name} | {len(sick)} ({len(set(patients))}) "
        f"| {text}, {worst.dice:.4f} ({worst.scan}) | "
        f"{np.mean([before[row.scan] for row in sick]):.4f} | {hd95} | {told} |"
    )


def main() -> int:
    parser = arguments_of(__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="of each disease in each scan")
    parser.add_argument("--csv", type=Path, help="a row a scan, disease and seed")
    options = parser.parse_args()
    segmenter = segmenter_of(options)
    try:
        rows = list(scored(options.data, options.roles, segmenter, options.seeds))
    except PleuraError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit
    spec = segmenter.folder.spec
    print(f"Model {spec.name} {spec.version} ({spec.sha256['main'][:12]})\n")
    print("\n".join(table(rows)))
    if options.csv is not None:
        write_rows(map(asdict, rows), [f.name for f in fields(Row)], options.csv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
