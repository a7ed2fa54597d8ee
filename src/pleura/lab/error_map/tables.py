"""Rows -> Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from pleura.lab.error_map.contents import CONTENTS
from pleura.lab.error_map.depths import DEPTHS
from pleura.lab.error_map.pictures import attribution
from pleura.lab.error_map.places import PLACES
from pleura.lab.error_map.rows import CONTENT, DEPTH, PLACE, RegionRow, ScanRow
from pleura.lab.tables import cell

VOLUMES, SLICES = "volumes", "sick_slices"
# References graded C have whole places in doubt: they have lines of their own, no say in means.
DOUBTFUL = "C"

T = TypeVar("T", ScanRow, RegionRow)
Lines = list[str]


def tables(scans: Sequence[ScanRow], regions: Sequence[RegionRow], folder: str) -> dict[str, Lines]:
    """Marker -> Markdown lines.

    Args:
        scans, regions: what `benchmarks.error_map` kept.
        folder: of the pictures, as the page links to it.
    """
    sure = [row for row in regions if row.grade != DOUBTFUL]
    volumes = [row for row in sure if row.set == VOLUMES]
    slices = [row for row in sure if row.set == SLICES]
    return {
        "run": _run(scans),
        "volumes": _volumes(scans, regions),
        "places": _regions([row for row in volumes if row.kind == PLACE], PLACES),
        "contents": _regions([row for row in volumes if row.kind == CONTENT], CONTENTS),
        "depths": _regions([row for row in volumes if row.kind == DEPTH], DEPTHS),
        "slices": _regions([row for row in slices if row.kind == CONTENT], CONTENTS),
        "slice depths": _regions([row for row in slices if row.kind == DEPTH], DEPTHS),
        "findings": _findings([row for row in scans if row.set == SLICES]),
        "attributes": _attributes(scans),
        "pictures": _pictures(scans, folder),
    }


def _run(scans: Sequence[ScanRow]) -> Lines:
    counts = [
        f"{sum(row.set == name and row.role == role for row in scans)} {name} ({role})"
        for name in (VOLUMES, SLICES)
        for role in sorted({row.role for row in scans})
    ]
    models = ", ".join(sorted({f"{row.model}, {row.engine}" for row in scans}))
    return [f"Model {models}; {', '.join(counts)}."]


def _volumes(scans: Sequence[ScanRow], regions: Sequence[RegionRow]) -> Lines:
    head = [
        "volume", "role", "grade", "slices mm", "Dice", "HD95 mm", "NSD@2mm", "too much ml",
        "missed ml", "edge HU: reference, found", "where most of the error is",
    ]  # fmt: skip
    rows = []
    for scan in scans:
        if scan.set != VOLUMES:
            continue
        own = [row for row in regions if (row.set, row.scan) == (scan.set, scan.scan)]
        worst = [
            f"{row.region} {_percent(row.error_share)}"
            for kind in (PLACE, CONTENT)
            for row in sorted((r for r in own if r.kind == kind), key=lambda r: -r.error_ml)[:2]
        ]
        rows.append([
            scan.scan, scan.role, scan.grade, _number(scan.slice_mm, 1), _number(scan.dice, 4),
            _number(scan.hd95_mm, 2), _number(scan.nsd_2mm, 3), _number(scan.false_positive_ml, 1),
            _number(scan.false_negative_ml, 1),
            f"{_number(scan.reference_edge_hu, 0)}, {_number(scan.found_edge_hu, 0)}",
            "; ".join(worst),
        ])  # fmt: skip
    return _table(head, rows)


def _regions(rows: Sequence[RegionRow], names: Iterable[str]) -> Lines:
    """Means over scans, each with the same weight: a large lung doesn't speak for the others."""
    roles = sorted({row.role for row in rows}, reverse=True)
    scans = {role: {row.scan for row in rows if row.role == role} for role in roles}
    head = ["region", "scans"]
    for role in roles:
        head += [f"{role}: share of error", "of surface", "too much ml", "missed ml",
                 "surface mean mm", "P95 mm"]  # fmt: skip
    head.append("worst scan: share, P95 mm")
    lines = []
    for name in names:
        own = [row for row in rows if row.region == name]
        if not own:
            continue
        line = [name, str(len(own))]
        for role in roles:
            part, n = [row for row in own if row.role == role], len(scans[role])
            shares = (row.error_share for row in part)
            surfaces = (row.surface_share for row in part)
            line += [
                _percent(_sum(shares) / n), _percent(_sum(surfaces) / n),
                _number(_sum(row.false_positive_ml for row in part) / n, 2),
                _number(_sum(row.false_negative_ml for row in part) / n, 2),
                _number(_mean(row.surface_mean_mm for row in part), 2),
                _number(_mean(row.surface_p95_mm for row in part), 2),
            ]  # fmt: skip
        worst = max(own, key=lambda row: row.error_share or 0)
        line.append(
            f"{worst.scan} {_percent(worst.error_share)}, {_number(worst.surface_p95_mm, 2)}"
        )
        lines.append(line)
    return _table(head, lines)


def _findings(scans: Sequence[ScanRow]) -> Lines:
    """A line a finding; a slice with several counts in each. Worst first."""
    terms: dict[str, list[ScanRow]] = {}
    for row in scans:
        for term in findings_of(row.finding):
            terms.setdefault(term, []).append(row)
    head = [
        "finding", "slices (patients)", "Dice", "worst", "HD95 mm", "worst", "too much ml",
        "missed ml", "validation: slices, Dice",
    ]  # fmt: skip
    lines = []
    for term, rows in sorted(terms.items(), key=lambda item: _mean(r.dice for r in item[1]) or 0):
        unseen = [row for row in rows if row.role == "validation"]
        lines.append([
            term, f"{len(rows)} ({len({row.patient for row in rows})})",
            *_dice_and_distance(rows),
            _number(_mean(row.false_positive_ml for row in rows), 2),
            _number(_mean(row.false_negative_ml for row in rows), 2),
            f"{len(unseen)}, {_number(_mean(row.dice for row in unseen), 4)}" if unseen else "-",
        ])  # fmt: skip
    return _table(head, lines)


def findings_of(words: str) -> list[str]:
    """The findings in an annotation; every kind of slice without lung is one."""
    if words.startswith("no lung"):
        return ["no lung"]
    return [term.strip() for term in words.split(",")]


def _attributes(scans: Sequence[ScanRow]) -> Lines:
    head = ["set", "attribute", "scans", "Dice", "worst", "HD95 mm", "worst", "NSD@2mm"]
    lines = []
    for name in (VOLUMES, SLICES):
        of_set = [row for row in scans if row.set == name and row.reference_ml]
        for of in (_role, _grade, _thickness):
            for value in sorted({of(row) for row in of_set}):
                rows = [row for row in of_set if of(row) == value]
                nsd = _number(_mean(row.nsd_2mm for row in rows), 3)
                lines.append([name, value, str(len(rows)), *_dice_and_distance(rows), nsd])
    return _table(head, lines)


def _role(row: ScanRow) -> str:
    return row.role


def _grade(row: ScanRow) -> str:
    return f"grade {row.grade}"


def _thickness(row: ScanRow) -> str:
    mm = row.slice_mm or 0
    return "slices to 2.5 mm" if mm <= 2.5 else "slices to 5 mm" if mm <= 5 else "slices to 10 mm"


def _pictures(scans: Sequence[ScanRow], folder: str) -> Lines:
    lines = []
    for row in scans:
        if row.picture:
            title = f"{row.scan} ({row.role}): {row.finding}"
            if row.set == VOLUMES:
                title += f", slice {row.worst_slice} from the feet"
            lines += [
                f"![{cell(title)}]({folder}/{row.picture})",
                "",
                f"*{title}. {_number(row.worst_slice_cm2, 1)} cm2 of error; "
                f"Dice of the scan {_number(row.dice, 4)}. {attribution(row.scan)}.*",
                "",
            ]
    return lines[:-1] or ["None."]


def _dice_and_distance(rows: Sequence[ScanRow]) -> list[str]:
    """Means, each with the worst scan."""

    def worst(of: Callable[[ScanRow], float | None], sign: int, digits: int) -> str:
        known = [(sign * value, row) for row in rows if (value := of(row)) is not None]
        if not known:
            return "-"
        value, row = min(known, key=lambda pair: pair[0])
        return f"{_number(sign * value, digits)} ({row.scan})"

    return [
        _number(_mean(row.dice for row in rows), 4), worst(lambda row: row.dice, 1, 4),
        _number(_mean(row.hd95_mm for row in rows), 2), worst(lambda row: row.hd95_mm, -1, 2),
    ]  # fmt: skip


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> Lines:
    rule = "|---" * len(head) + "|"
    return [f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(map(cell, x))} |" for x in lines)]


def _sum(values: Iterable[float | None]) -> float:
    return sum(value or 0.0 for value in values)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
