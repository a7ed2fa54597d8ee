"""Two sets of predictions of the same references: paired differences, tests, volume agreement."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pleura.findings import count_of
from pleura.lab.patients import owners
from pleura.lab.statistics import (
    MIN_PATIENTS,
    Agreement,
    agreement,
    bootstrap_interval,
    holm,
    mean_of,
    paired_wilcoxon,
    patient_means,
)
from pleura.lab.tables import METRICS, Row, cell, p_value

# Metric -> heading and digits. Only metrics that say better or worse and aren't functions of each
# other (IoU is one of Dice): each further test makes Holm's adjustment of the others larger.
COMPARED: Mapping[str, tuple[str, int]] = {
    **{m: METRICS[m][:2] for m in ("dice", "nsd_1mm", "nsd_2mm", "hd95_mm", "assd_mm")},
    "volume_error_ml": ("Absolute volume error (ml)", 1),
}
Pair = tuple[Row, Row]


def compare(
    rows: Sequence[Row], others: Sequence[Row], patients: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Compare two evaluations of the same references, scan by scan.

    Every number is over patients: a patient's scans are averaged first. Only scans that both sets
    have are compared. A pair with an infinite distance (one mask empty) has no place in means,
    difference and interval, and `infinite` counts such patients; in the test it ranks as farther
    than every finite one.

    Args:
        rows, others: from `evaluate_folders`, with the same references; paired by name.
        patients: scan name -> patient; None takes each scan for a patient.

    Returns:
        `left_out` [{name, set: "prediction" or "other", message}], and
        `structures` {structure: {scans, patients, metrics, volumes}}, in each of which
        `metrics` {metric: {mean, other_mean, difference, ci95, p, p_holm, infinite}} and
        `volumes` {prediction, other: {bias_ml, limits_ml}}.
        Differences are `rows` minus `others`; `ci95` is a percentile bootstrap interval; `p` is of
        Wilcoxon's signed-rank test, `p_holm` adjusted by Holm over the structure's metrics;
        `limits_ml` are the 95 % limits of agreement with the reference (Bland and Altman 1986).
        Below six patients `ci95`, `p`, `p_holm` and `limits_ml` are null.

    Raises:
        UsageError: scipy isn't installed.
    """
    pairs = paired(rows, others)
    structures = dict.fromkeys(s for row, other in pairs for s in _both(row, other))
    names = {row["name"] for row, _ in pairs}
    return {
        "left_out": _left_out(rows, others, names),
        "structures": {
            structure: _structure(
                structure, [pair for pair in pairs if structure in _both(*pair)], patients
            )
            for structure in structures
        },
    }


def paired(rows: Sequence[Row], others: Sequence[Row]) -> list[Pair]:
    """The scans that were evaluated in both sets, in the order of `rows`."""
    found = {row["name"]: row for row in others if row["error"] is None}
    return [
        (row, found[row["name"]]) for row in rows if row["error"] is None and row["name"] in found
    ]


def volume_agreement(
    rows: Sequence[Row], structure: str = "lungs", patients: Mapping[str, str] | None = None
) -> Agreement:
    """Predicted against reference volumes (ml) of rows without error, at least one."""
    metrics = [row["structures"][structure] for row in rows]
    return agreement(
        [values["prediction_ml"] for values in metrics],
        [values["reference_ml"] for values in metrics],
        owners((row["name"] for row in rows), patients),
    )


def _left_out(
    rows: Sequence[Row], others: Sequence[Row], compared: Collection[str]
) -> list[dict[str, str]]:
    """What isn't compared, and in which set it is missing for what reason."""
    found = []
    for name in sorted({row["name"] for row in (*rows, *others)} - set(compared)):
        for which, its_rows in (("prediction", rows), ("other", others)):
            row = next((row for row in its_rows if row["name"] == name), None)
            message = f"There is no prediction for '{name}'."
            if row is not None and row["error"] is None:
                continue
            if row is not None:
                message = row["error"]["message"]
            found.append({"name": name, "set": which, "message": message})
    return found


def _both(row: Row, other: Row) -> list[str]:
    return [structure for structure in row["structures"] if structure in other["structures"]]


def _structure(
    structure: str, pairs: Sequence[Pair], patients: Mapping[str, str] | None
) -> dict[str, Any]:
    whose = owners((row["name"] for row, _ in pairs), patients)
    metrics: dict[str, dict[str, Any]] = {}
    for metric in COMPARED:
        a, b = (
            patient_means([_value(pair[side], structure, metric) for pair in pairs], whose)
            for side in (0, 1)
        )
        metrics[metric] = _metric(list(a.values()), list(b.values()))
    adjusted = holm([one["p"] for one in metrics.values()])
    for one, p in zip(metrics.values(), adjusted, strict=True):
        one["p_holm"] = p
    sides = {"prediction": [row for row, _ in pairs], "other": [other for _, other in pairs]}
    found = {side: volume_agreement(rows, structure, patients) for side, rows in sides.items()}
    return {
        "scans": len(pairs),
        "patients": len(set(whose)),
        "metrics": metrics,
        "volumes": {
            side: {"bias_ml": one.bias, "limits_ml": list(one.limits) if one.limits else None}
            for side, one in found.items()
        },
    }


def _metric(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    finite = [(x, y) for x, y in zip(a, b, strict=True) if math.isfinite(x) and math.isfinite(y)]
    differences = [x - y for x, y in finite]
    interval = bootstrap_interval(differences)
    return {
        "mean": mean_of([x for x, _ in finite]),
        "other_mean": mean_of([y for _, y in finite]),
        "difference": mean_of(differences),
        "ci95": list(interval) if interval else None,
        "p": paired_wilcoxon(a, b),
        "p_holm": None,
        "infinite": len(a) - len(finite),
    }


def _value(row: Row, structure: str, metric: str) -> float:
    metrics = row["structures"][structure]
    if metric == "volume_error_ml":
        return abs(float(metrics["volume_difference_ml"]))
    return float("inf") if metrics[metric] is None else float(metrics[metric])


def comparison_markdown(comparison: Mapping[str, Any], names: tuple[str, str]) -> str:
    """A table a structure with what its numbers are; `names` are those of the two sets."""
    first, second = (cell(name) for name in names)
    parts = [f"## {first} against {second}", ""]
    for structure, found in comparison["structures"].items():
        parts += [*_table(structure, found, (first, second)), *_volumes(found, (first, second)), ""]
    if comparison["structures"]:
        parts += [_explained(comparison), ""]
    if comparison["left_out"]:
        parts += ["### Not compared", ""]
        titles = {"prediction": first, "other": second}
        parts += [
            f"- {cell(one['name'])} ({titles[one['set']]}): {one['message']}"
            for one in comparison["left_out"]
        ]
    return "\n".join(parts).rstrip() + "\n"


def _table(structure: str, found: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    lines = [
        f"### {structure.capitalize()} ({count_of(found['scans'], 'scan')} of "
        f"{count_of(found['patients'], 'patient')})",
        "",
        f"| metric | {names[0]} | {names[1]} | difference | 95 % interval | p | p (Holm) |",
        "|---|---|---|---|---|---|---|",
    ]
    for metric, one in found["metrics"].items():
        heading, digits = COMPARED[metric]
        low_high = one["ci95"]
        cells = [
            heading,
            *(_number(one[key], f".{digits}f") for key in ("mean", "other_mean")),
            _number(one["difference"], f"+.{digits}f"),
            " to ".join(f"{v:+.{digits}f}" for v in low_high) if low_high else "-",
            *(p_value(one[key]) for key in ("p", "p_holm")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    left_out = max(one["infinite"] for one in found["metrics"].values())
    if left_out:
        lines += [
            "",
            "Means, differences and intervals leave out infinite distances "
            f"({count_of(left_out, 'patient')}); the tests rank them as the largest.",
        ]
    return [*lines, ""]


def _volumes(found: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    lines = [
        "| volume minus reference | bias (ml) | 95 % limits of agreement (ml) |",
        "|---|---|---|",
    ]
    for name, one in zip(names, found["volumes"].values(), strict=True):
        limits = one["limits_ml"]
        words = " to ".join(f"{value:+.1f}" for value in limits) if limits else "-"
        lines.append(f"| {name} | {one['bias_ml']:+.1f} | {words} |")
    return lines


def _explained(comparison: Mapping[str, Any]) -> str:
    structures = comparison["structures"].values()
    few = any(found["patients"] < MIN_PATIENTS for found in structures)
    words = (
        "Means are over patients (a patient's scans averaged first); a difference is the first set "
        "minus the second. "
    )
    if any(found["patients"] >= MIN_PATIENTS for found in structures):
        words += (
            "Interval: percentile bootstrap over patients. p: two-sided Wilcoxon signed-rank test; "
            f"Holm: adjusted over the {len(COMPARED)} tests of a table. Limits of agreement: bias "
            "plus and minus 1.96 standard deviations over scans (Bland and Altman 1986). "
        )
    if few:
        words += (
            f"Below {MIN_PATIENTS} patients there are no intervals, limits and p-values: "
            "so few can't carry them."
        )
    return words.strip()


def _number(value: float | None, form: str) -> str:
    return "inf" if value is None else format(value, form)
