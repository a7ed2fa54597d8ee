"""Points -> Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pleura.findings import count_of
from pleura.lab.perturb import Perturbation
from pleura.lab.robustness.points import Point, Report
from pleura.lab.tables import cell

BANDS = (0.98, 0.95, 0.90)
_LISTED = 20


def tables(report: Report, known: Sequence[Perturbation]) -> dict[str, list[str]]:
    """Marker -> Markdown lines."""
    return {
        "run": _run(report),
        "summary": _summary(report, known),
        "verdict": _verdicts(report),
        "worst": _listed(report, known, lambda point: True),
        "unnoticed": _listed(report, known, lambda point: not report.noticed(point)),
        "table": _strengths(report, known),
    }


def _run(report: Report) -> list[str]:
    def told(values: Iterable[str]) -> str:
        return ", ".join(sorted(set(values)))

    clean = Counter(point.verdict for point in report.clean.values())
    scans = f"{count_of(len(report.clean), 'scan')} ({told(report.clean)})"
    return [
        f"{len(report.points)} points of {scans}; model "
        f"{told(p.model for p in report.points)}, {told(p.engine for p in report.points)}, "
        f"perturbations version {told(p.perturbations for p in report.points)}. Verdict on the "
        f"clean scans: {', '.join(f'{n} {verdict}' for verdict, n in sorted(clean.items()))}."
    ]


def _summary(report: Report, known: Sequence[Perturbation]) -> list[str]:
    """One line a perturbation: up to which strengths it does no harm, and its worst point."""
    lines = [
        "| perturbation | unit | strengths | every scan at 0.98 or more | worst Dice | at | scan |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in known:
        groups = {s: report.at(one.name, s) for s in one.strengths}
        scored = [p for group in groups.values() for p in group if p.dice is not None]
        if not scored:
            continue
        fine = [one.shown(s) for s, group in groups.items() if _all_at_least(group, BANDS[0])]
        worst = min(scored, key=_dice)
        names = ", ".join(one.shown(s) for s in one.strengths)
        lines.append(
            f"| {_words(one.name)} | {one.unit} | {names} | {', '.join(fine) or 'none'} | "
            f"{worst.dice:.4f} | {one.shown(worst.strength)} | {cell(worst.scan)} |"
        )
    return lines


def _verdicts(report: Report) -> list[str]:
    """What the verdict says, by how far the mask is from the clean one."""
    lines = [
        "| Dice with the clean result | points | pass | warn | fail | noticed |",
        "|---|---|---|---|---|---|",
    ]
    edges = (float("inf"), *BANDS, -1.0)
    names = (f"{BANDS[0]:.2f} or more", *(f"below {edge:.2f}" for edge in BANDS))
    for name, high, low in zip(names, edges[:-1], edges[1:], strict=True):
        part = [p for p in report.points if p.dice is not None and low <= p.dice < high]
        if name.startswith("below") and low > 0:
            name += f", {low:.2f} or more"
        counts = Counter(p.verdict for p in part)
        numbers = " | ".join(str(counts[verdict]) for verdict in ("pass", "warn", "fail"))
        lines.append(f"| {name} | {len(part)} | {numbers} | {sum(map(report.noticed, part))} |")
    refused = sum(point.refused for point in report.points)
    return [*lines, f"| refused | {refused} | - | - | - | {refused} |"]


def _listed(
    report: Report, known: Sequence[Perturbation], wanted: Callable[[Point], bool]
) -> list[str]:
    """The worst points below the first band."""
    by_name = {one.name: one for one in known}
    part = [p for p in report.points if p.dice is not None and p.dice < BANDS[0] and wanted(p)]
    if not part:
        return ["None."]
    lines = [
        "| perturbation | strength | scan | Dice | sides | HD95 mm | volume % | verdict | why |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for p in sorted(part, key=_dice)[:_LISTED]:
        one = by_name[p.perturbation]
        why = ", ".join(sorted(p.warnings)) or "-"
        lines.append(
            f"| {_words(one.name)} | {one.shown(p.strength)} {one.unit} | {cell(p.scan)} | "
            f"{p.dice:.4f} | {_number(p.dice_sides, '.4f')} | {_number(p.hd95_mm, '.1f')} | "
            f"{_number(p.volume_change_percent, '+.1f')} | {p.verdict} | {why} |"
        )
    if len(part) > _LISTED:
        lines += ["", f"The worst {_LISTED} of {len(part)} below {BANDS[0]:.2f}."]
    return lines


def _strengths(report: Report, known: Sequence[Perturbation]) -> list[str]:
    """One line a perturbation and strength."""
    lines = [
        "| perturbation | strength | n | Dice: median | worst (scan) | sides: median | "
        "HD95 mm: median | volume %: median | pass / warn / fail / refused | noticed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in known:
        for strength in one.strengths:
            group = report.at(one.name, strength)
            if not group:
                continue
            counts = Counter("refused" if p.refused else p.verdict for p in group)
            told = " / ".join(str(counts[v]) for v in ("pass", "warn", "fail", "refused"))
            scored = [p for p in group if not p.refused]
            worst = min(scored, key=_dice, default=None)
            named = f"{worst.dice:.4f} ({cell(worst.scan)})" if worst else "-"
            lines.append(
                f"| {_words(one.name)} | {one.shown(strength)} {one.unit} | {len(group)} | "
                f"{_median(scored, 'dice', '.4f')} | {named} | "
                f"{_median(scored, 'dice_sides', '.4f')} | {_median(scored, 'hd95_mm', '.1f')} | "
                f"{_median(scored, 'volume_change_percent', '+.1f')} | {told} | "
                f"{sum(map(report.noticed, group))} |"
            )
    return lines


def _all_at_least(group: Sequence[Point], limit: float) -> bool:
    return bool(group) and all(p.dice is not None and p.dice >= limit for p in group)


def _dice(point: Point) -> float:
    return float("nan") if point.dice is None else point.dice


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float | None, digits: str) -> str:
    return "-" if value is None else f"{value:{digits}}"


def _median(group: Sequence[Point], name: str, digits: str) -> str:
    values = [getattr(point, name) for point in group if getattr(point, name) is not None]
    return _number(float(np.median(values)) if values else None, digits)
