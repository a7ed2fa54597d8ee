"""Rows -> Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pleura.lab.finding_codes import warned
from pleura.lab.tables import cell
from pleura.lab.verdicts.rows import REFUSED, Row

_OUTCOMES = ("pass", "warn", "fail", REFUSED)


def tables(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Experiment -> lines: a line a way (for good masks, a set and a way).

    Noticed is what is refused, or warned of in a way that the good mask of the scan isn't.
    """
    return {
        "good": _table(rows, "good", lambda row: f"{row.set}: {row.way}"),
        "mask": _table(rows, "mask", lambda row: row.way),
        "scan": _table(rows, "scan", lambda row: row.way),
    }


def _table(rows: Sequence[Row], experiment: str, group: Callable[[Row], str]) -> list[str]:
    usual = {
        (row.set, row.scan): warned(row.codes)
        for row in rows
        if row.experiment == "good" and row.way == "model"
    }

    def noticed(row: Row) -> bool:
        before = usual.get((row.set, row.scan), frozenset())
        return row.outcome == REFUSED or bool(warned(row.codes) - before)

    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.experiment == experiment:
            groups.setdefault(group(row), []).append(row)
    wrong = experiment != "good"
    head = ["", "n", *["noticed"] * wrong, *_OUTCOMES, "worst Dice of pass", "findings (scans)"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, part in groups.items():
        outcomes = Counter(row.outcome for row in part)
        counts = " | ".join(str(outcomes[outcome]) for outcome in _OUTCOMES)
        passed = [row.dice for row in part if row.outcome == "pass" and row.dice is not None]
        worst = f"{min(passed):.3f}" if passed else "-"
        codes = Counter(code for row in part for code in sorted(warned(row.codes)))
        told = ", ".join(f"{code} {n}" for code, n in codes.most_common()) or "-"
        found = [str(sum(map(noticed, part)))] * wrong
        cells = [cell(name), str(len(part)), *found, counts, worst, told]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
