"""Points -> plot, and the tables of a page between their markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pleura.lab.perturb import Perturbation
from pleura.lab.robustness.plot import dice_svg
from pleura.lab.robustness.points import Point, Report
from pleura.lab.robustness.tables import tables
from pleura.write.atomic import write_bytes

PLOT = "dice.svg"


def set_tables(text: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """The page with new lines between the markers that it has; the rest stays.

    Markers are `<!-- robustness: NAME -->` and `<!-- /robustness: NAME -->`.
    """
    for name, lines in blocks.items():
        start, end = f"<!-- robustness: {name} -->", f"<!-- /robustness: {name} -->"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if found and closed:
            text = "\n".join([f"{before}{start}", "", *lines, "", f"{end}{after}"])
    return text


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
    if page.is_file():
        write_bytes(page, set_tables(page.read_text(encoding="utf-8"), blocks).encode())
    return blocks
