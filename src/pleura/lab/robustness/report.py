"""Points -> plot, and the tables of a page between their markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pleura.lab.pages import set_page
from pleura.lab.perturb import Perturbation
from pleura.lab.robustness.plot import dice_svg
from pleura.lab.robustness.points import Point, Report
from pleura.lab.robustness.tables import tables
from pleura.write.atomic import write_bytes

PLOT = "dice.svg"


def write_report(
    points: Sequence[Point], known: Sequence[Perturbation], folder: Path, page: Path
) -> dict[str, list[str]]:
    """Draw the plot into the folder and set the tables of the page, where there is one.

    Returns:
        The tables, marker -> Markdown lines.

    Raises:
        OutputError: a file can't be written.
        UsageError: matplotlib isn't installed.
    """
    report = Report.of(points, known)
    blocks = tables(report, known)
    curves = {
        one: {s: {p.scan: p.dice for p in report.at(one.name, s)} for s in one.strengths}
        for one in known
    }
    write_bytes(folder / PLOT, dice_svg(curves).encode())
    set_page(page, "robustness", blocks)
    return blocks
