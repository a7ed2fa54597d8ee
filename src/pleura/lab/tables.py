"""Rows of an evaluation -> summary, CSV, Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pleura.findings import count_of
from pleura.lab.patients import owners
from pleura.lab.statistics import MIN_PATIENTS, bootstrap_interval
from pleura.write.atomic import write_bytes

Row = dict[str, Any]

# name -> heading, digits after the point, and the value that is best (None: nothing to rank).
METRICS: Mapping[str, tuple[str, int, float | None]] = {
    "dice": ("Dice", 4, 1.0),
    "iou": ("IoU", 4, 1.0),
    "sensitivity": ("Sensitivity", 4, 1.0),
    "precision": ("Precision", 4, 1.0),
    "hd95_mm": ("HD95 (mm)", 2, 0.0),
    "assd_mm": ("ASSD (mm)", 2, 0.0),
    "nsd_1mm": ("NSD at 1 mm", 4, 1.0),
    "nsd_2mm": ("NSD at 2 mm", 4, 1.0),
    "seed_slice_dice": ("Seed slice Dice", 4, 1.0),
    "prediction_ml": ("Prediction (ml)", 1, None),
    "reference_ml": ("Reference (ml)", 1, None),
    "volume_difference_ml": ("Volume difference (ml)", 1, 0.0),
    "false_positive_ml": ("False positive (ml)", 1, 0.0),
    "false_negative_ml": ("False negative (ml)", 1, 0.0),
    "beyond_extent_mm": ("Beyond extent (mm)", 1, 0.0),
}
_SMALLEST_P = 0.001
_PER_SCAN = ("dice", "hd95_mm", "assd_mm", "nsd_2mm", "volume_difference_ml")


def summary(rows: Sequence[Row], patients: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Mean, median, worst and a bootstrap 95 % interval of every metric over scans.

    An infinite distance (null in a row) counts as infinite in `median` and `worst`, which are then
    null where it decides; it has no place in `mean` and `ci95`, so `infinite` says how many scans
    those leave out.

    Args:
        rows: from `evaluate` or `evaluate_folders`.
        patients: scan name -> patient, where patients have several scans; patients are resampled.

    Returns:
        `scans`, `references` and `patients` (how many were evaluated, of how many references, and
        whose), `failed` [{name, message}], and `structures`
        {structure: {metric: {n, mean, median, worst {value, name}, ci95 [low, high] or null,
        infinite}}}.
    """
    structures: dict[str, dict[str, Any]] = {}
    done = [row for row in rows if row["error"] is None]
    for structure in dict.fromkeys(s for row in done for s in row["structures"]):
        having = [row for row in done if structure in row["structures"]]
        structures[structure] = {
            metric: _summarise(metric, structure, having, patients)
            for metric, (_, _, best) in METRICS.items()
            if best is not None and metric in having[0]["structures"][structure]
        }
    failed = [
        {"name": row["name"], "message": row["error"]["message"]} for row in rows if row["error"]
    ]
    return {
        "scans": len(done),
        "references": references_in(rows),
        "patients": _patients([row["name"] for row in done], patients),
        "failed": failed,
        "structures": structures,
    }


def _summarise(
    metric: str, structure: str, rows: Sequence[Row], patients: Mapping[str, str] | None
) -> dict[str, Any]:
    best = METRICS[metric][2] or 0.0
    values = [row["structures"][structure][metric] for row in rows]
    ranked = [float("inf") if value is None else value for value in values]
    finite = [value for value in values if value is not None]
    whose = owners(
        (row["name"] for row, value in zip(rows, values, strict=True) if value is not None),
        patients,
    )
    worst = max(range(len(ranked)), key=lambda i: abs(ranked[i] - best))
    median = float(np.median(ranked))
    # Scans held in memory share the empty name, yet are no single patient.
    interval = bootstrap_interval(finite, patients=whose if all(whose) else None)
    return {
        "n": len(values),
        "mean": float(np.mean(finite)) if finite else None,
        "median": median if np.isfinite(median) else None,
        "worst": {"value": values[worst], "name": rows[worst]["name"]},
        "ci95": list(interval) if interval else None,
        "infinite": len(values) - len(finite),
    }


def write_csv(
    rows: Sequence[Row], path: Path, others: Mapping[str, Sequence[Row]] = MappingProxyType({})
) -> None:
    """Write a tidy table: one line a scan and structure, one column a metric; null is empty.

    Failed scans have one line with an empty structure and their `error`.

    Args:
        rows: from `evaluate` or `evaluate_folders`; "prediction" in the column `method`.
        path: the file.
        others: rows of further methods, by what stands in the column `method`.

    Raises:
        OutputError: the file can't be written; nothing partial is left.
    """
    fields = [
        "method", "name", "prediction", "structure", "pred_labels", "ref_labels", "resampled",
        *METRICS, "error",
    ]  # fmt: skip
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields)
    writer.writeheader()
    for method, its_rows in {"prediction": rows, **others}.items():
        for row in its_rows:
            writer.writerows({"method": method, **line} for line in _csv_lines(row))
    write_bytes(path, text.getvalue().encode())


def _csv_lines(row: Row) -> list[dict[str, Any]]:
    if row["error"]:
        return [{"name": row["name"], "error": row["error"]["message"]}]
    common = {
        "name": row["name"],
        "prediction": row["prediction"],
        "pred_labels": row["schemes"]["prediction"],
        "ref_labels": row["schemes"]["reference"],
        "resampled": row["resampled"],
    }
    return [
        {**common, "structure": structure, **metrics}
        for structure, metrics in row["structures"].items()
    ]


def to_markdown(rows: Sequence[Row], patients: Mapping[str, str] | None = None) -> str:
    """The summary of each structure as a table, then the scans one by one, then the failures.

    A single scan has nothing to sum up: its metrics stand beside each other by structure.
    `patients` is as in `summary`.
    """
    if len(rows) == 1 and rows[0]["error"] is None:
        return "\n".join([*_one_scan(rows[0]["structures"]), *resampled_note(rows)]) + "\n"
    found = summary(rows, patients)
    parts = []
    for structure, metrics in found["structures"].items():
        heading = f"{structure.capitalize()} ({_evaluated(metrics, found)})"
        parts += [*_summary_table(heading, metrics), *_scan_table(structure, rows), ""]
    if found["structures"]:
        parts += [_about_patients(found["patients"], patients is None), *resampled_note(rows), ""]
    if found["failed"]:
        parts += ["### Not evaluated", ""]
        parts += [f"- {cell(item['name'])}: {item['message']}" for item in found["failed"]]
    return "\n".join(parts).rstrip() + "\n"


def references_in(rows: Sequence[Row]) -> int:
    """How many references there are, those that could not be evaluated among them."""
    return sum(row["error"] is None or row["reference"] != "" for row in rows)


def _patients(names: Sequence[str], patients: Mapping[str, str] | None) -> int:
    # Scans held in memory share the empty name, yet are no single patient.
    return len(set(owners(names, patients))) if all(names) else len(names)


def _about_patients(n: int, assumed: bool) -> str:
    """The footnote that says what was resampled for the intervals."""
    words = f"Intervals: percentile bootstrap over {n} patients"
    if n < MIN_PATIENTS:
        words = f"No intervals: {n} patient{'s' * (n != 1)}, fewer than {MIN_PATIENTS}"
    if assumed:
        words += "; each scan counts as a patient, unless --patients says whose it is"
    return f"{words}."


def resampled_note(rows: Sequence[Row]) -> list[str]:
    """The footnote's lines about predictions that were on another grid; [] without such."""
    names = [cell(row["name"]) for row in rows if row["resampled"]]
    if not names:
        return []
    return ["", f"Resampled onto the reference's grid (nearest neighbour): {', '.join(names)}."]


def _evaluated(metrics: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Of how many references a structure's means speak: what is missing improves them unseen."""
    return f"{metrics['dice']['n']} of {count_of(found['references'], 'reference')} evaluated"


def _summary_table(heading: str, metrics: Mapping[str, Any]) -> list[str]:
    scans = metrics["dice"]["n"]
    lines = [
        f"### {heading}",
        "",
        "| metric | mean | 95 % interval | median | worst |",
        "|---|---|---|---|---|",
    ]
    left_out = 0
    for metric, one in metrics.items():
        low_high = one["ci95"]
        interval = " to ".join(_number(metric, v) for v in low_high) if low_high else "-"
        mean = "-" if one["mean"] is None else _number(metric, one["mean"])
        worst = f"{_number(metric, one['worst']['value'])} ({cell(one['worst']['name'])})"
        cells = (METRICS[metric][0], mean, interval, _number(metric, one["median"]), worst)
        lines.append(f"| {' | '.join(cells)} |")
        left_out = max(left_out, one["infinite"])
    if left_out:
        lines += ["", f"Mean and interval leave out infinite distances ({left_out} of {scans})."]
    return [*lines, ""]


def _one_scan(structures: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    lines = [f"| metric | {' | '.join(structures)} |", "|---" * (len(structures) + 1) + "|"]
    for metric in structures["lungs"]:
        cells = (
            _number(metric, values[metric]) if metric in values else ""
            for values in structures.values()
        )
        lines.append(f"| {METRICS[metric][0]} | {' | '.join(cells)} |")
    return lines


def _scan_table(structure: str, rows: Sequence[Row]) -> list[str]:
    lines = [
        f"| scan | {' | '.join(METRICS[metric][0] for metric in _PER_SCAN)} |",
        "|---" * (len(_PER_SCAN) + 1) + "|",
    ]
    for row in rows:
        metrics = row["structures"].get(structure)
        if metrics:
            cells = (_number(metric, metrics[metric]) for metric in _PER_SCAN)
            lines.append(f"| {cell(row['name'])} | {' | '.join(cells)} |")
    return lines


def _number(metric: str, value: float | None) -> str:
    """A metric's value with its digits; None is infinite."""
    return "inf" if value is None else f"{value:.{METRICS[metric][1]}f}"


def p_value(p: float | None) -> str:
    """Three digits, "-" where there was no test."""
    if p is None:
        return "-"
    return f"< {_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}"


def cell(text: str) -> str:
    """Text that may stand in a Markdown table."""
    return text.replace("|", "\\|")
