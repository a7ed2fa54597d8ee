"""Where does the model lose Dice and surface distance? By place, content, finding and scan.

    python -m benchmarks.error_map ../shared/data --out docs/error-map

Segments the volumes and sick slices of roles validation and train (--roles). Keeps OUT/scans.csv
and OUT/regions.csv, draws the worst slices that may be shown into OUT, and sets the tables of the
page OUT.md; --report does the tables alone. Test is scored once an issue.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy import Case, arguments_of, cases, segmenter_of
from benchmarks.pages import set_and_print
from benchmarks.robustness import model_of
from pleura import Segmenter
from pleura.lab.error_map.comparison import Comparison
from pleura.lab.error_map.edge_level import edge_hu
from pleura.lab.error_map.pictures import Candidate, attribution, chosen, png, worst_slice
from pleura.lab.error_map.rows import (
    RegionRow,
    ScanRow,
    read_regions,
    read_scans,
    write_regions,
    write_scans,
)
from pleura.lab.error_map.tables import SLICES, VOLUMES, tables
from pleura.lab.error_map.tally import Owner, region_rows
from pleura.lab.evaluate import EvaluateOptions, evaluate
from pleura.lab.pages import Blocks
from pleura.lab.prepare import load_pair
from pleura.lab.split import ROLES
from pleura.write.atomic import make_folder, write_bytes

FINDINGS = {VOLUMES: "findings", SLICES: "finding"}
SCANS, REGIONS = "scans.csv", "regions.csv"


def findings(data: Path) -> dict[tuple[str, str], str]:
    """(set, scan) -> what the reader of the references saw."""
    found = {}
    for name, column in FINDINGS.items():
        file = data / name / "annotations.csv"
        if file.exists():
            with file.open(newline="") as lines:
                found.update({(name, row["name"]): row[column] for row in csv.DictReader(lines)})
    return found


def mapped(
    case: Case, segmenter: Segmenter, finding: str
) -> tuple[ScanRow, list[RegionRow], Candidate | None]:
    """The rows of a scan, and its worst slice where it may be shown."""
    labelled = load_pair(case.pair)
    volume, reference = labelled.volume, labelled.mask()
    mask = segmenter.segment(volume).mask
    metrics = evaluate(mask, reference, EvaluateOptions(ref_labels="pleura"))
    lungs = metrics["structures"]["lungs"]
    engine = segmenter.engine
    row = ScanRow(
        case.set_name, case.pair.name, case.patient, case.role, case.grade, finding,
        slice_mm=metrics["spacing_zyx_mm"][0],
        **{name: lungs[name] for name in (
            "dice", "hd95_mm", "nsd_2mm", "false_positive_ml", "false_negative_ml", "reference_ml",
        )},
        model=model_of(segmenter), engine=f"{engine.name} {engine.precision}",
    )  # fmt: skip
    one = Comparison.of(volume, mask, reference)
    if one is None:
        return row, [], None
    owner = Owner(row.set, row.scan, row.role, row.grade)
    regions = list(region_rows(one, owner, by_place=row.set == VOLUMES))
    z, error = worst_slice(one)
    row = replace(
        row, worst_slice=one.first_slice + z, worst_slice_cm2=error,
        reference_edge_hu=edge_hu(one.hu, one.lungs), found_edge_hu=edge_hu(one.hu, one.found),
    )  # fmt: skip
    if attribution(row.scan) is None:
        return row, regions, None
    return row, regions, Candidate(row.scan, row.patient, row.role, error, png(one, z))


def compute(options: argparse.Namespace) -> Iterator[tuple[list[ScanRow], list[RegionRow]]]:
    """All rows so far, after each scan; at last with pictures."""
    segmenter, known = segmenter_of(options), findings(options.data)
    scans: list[ScanRow] = []
    regions: list[RegionRow] = []
    candidates: list[Candidate] = []
    for case in cases(options.data, options.roles):
        if case.set_name not in FINDINGS:
            continue
        print(f"{case.set_name}/{case.pair.name}", file=sys.stderr)
        finding = known.get((case.set_name, case.pair.name), "")
        row, of_regions, candidate = mapped(case, segmenter, finding)
        scans.append(row)
        regions += of_regions
        candidates += [candidate] if candidate else []
        yield scans, regions
    pictures = draw(candidates, options.out)
    yield [replace(row, picture=pictures.get(row.scan, "")) for row in scans], regions


def draw(candidates: Sequence[Candidate], out: Path) -> Mapping[str, str]:
    """Scan -> file of its picture; those of an earlier run go."""
    for role in ROLES:
        for old in out.glob(f"{role}-*.png"):
            old.unlink()
    pictures = {}
    for one in chosen(candidates):
        pictures[one.scan] = f"{one.role}-{one.scan}.png"
        write_bytes(out / pictures[one.scan], one.png)
    return pictures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = arguments_of(__doc__)
    parser.set_defaults(roles=["validation", "train"])
    parser.add_argument("--out", type=Path, required=True, help="folder; its page is OUT.md")
    parser.add_argument("--report", action="store_true", help="only the tables of known rows")
    options = parser.parse_args(arguments)
    page: Path = options.out.with_suffix(".md")

    def made() -> Blocks:
        if not options.report:
            make_folder(options.out)
            for scans, regions in compute(options):
                write_scans(scans, options.out / SCANS)
                write_regions(regions, options.out / REGIONS)
        rows = read_scans(options.out / SCANS), read_regions(options.out / REGIONS)
        return tables(*rows, options.out.name)

    return set_and_print(page, "error-map", made)


if __name__ == "__main__":
    sys.exit(main())
