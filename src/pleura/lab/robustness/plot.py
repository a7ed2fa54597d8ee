"""Small multiples: Dice by strength, a panel a perturbation, a line a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pleura.lab.perturb import Perturbation
from pleura.lab.plots import COLOURS, GREY, rendered, styled_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# strength -> scan -> Dice, None where the scan was refused.
Curves = Mapping[float, Mapping[str, float | None]]

_COLUMNS = 4
_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_LEAST_ERROR = 7e-4
_REFUSED = 1.0  # where crosses stand: at a Dice of 0
# White paper, so that it can be read on dark pages, too; few ticks and fonts, for a small file.
_LOOK = {
    "figure.facecolor": "white", "axes.titlelocation": "left", "font.size": 8.0,
    "font.sans-serif": ["DejaVu Sans"], "axes.grid.axis": "y",
    "xtick.bottom": False, "ytick.left": False,
}  # fmt: skip


def dice_svg(curves: Mapping[Perturbation, Curves]) -> str:
    """SVG of all perturbations that have points.

    The axis is logarithmic in 1 - Dice and labelled in Dice; the thick line is the median over
    scans, a cross at the foot a refused scan.

    Raises:
        UsageError: matplotlib isn't installed.
    """
    shown = {one: found for one, found in curves.items() if any(found.values())}
    rows = max(1, -(-len(shown) // _COLUMNS))
    with styled_figure(2.4 * _COLUMNS, 1.9 * rows + 0.2, _LOOK) as figure:
        panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
        for axes, (one, found) in zip(panels, shown.items(), strict=False):
            _panel(axes, one, found)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        first = panels[0]
        first.set_yscale("log")
        first.set_ylim(1.35, _LEAST_ERROR * 0.85)
        first.set_yticks([1 - tick for tick in _TICKS], [f"{tick:g}" for tick in _TICKS])
        first.yaxis.set_ticks([], minor=True)
        figure.supylabel("Dice with the clean result")
        return rendered(figure, ".svg").decode()


def _panel(axes: Axes, one: Perturbation, found: Curves) -> None:
    strengths = [strength for strength in one.strengths if found.get(strength)]
    places = range(len(strengths))
    # Names have no order, so nothing joins them.
    thin: dict[str, Any] = {"linestyle": "none", "marker": "."} if one.words else {"linewidth": 0.8}
    thick: dict[str, Any] = (
        {"linestyle": "none", "marker": "_", "markersize": 9} if one.words else {"linewidth": 1.8}
    )
    for scan in dict.fromkeys(scan for points in found.values() for scan in points):
        errors = [_error(found[strength].get(scan)) for strength in strengths]
        axes.plot(places, errors, color=COLOURS[5], **thin)
        refused = [i for i in places if found[strengths[i]].get(scan, 1) is None]
        if refused:
            axes.plot(refused, [_REFUSED] * len(refused), "x", color=COLOURS[1], markersize=5)
    medians = [_median(found[strength].values()) for strength in strengths]
    axes.plot(places, medians, color=COLOURS[0], **thick)
    axes.axhline(0.02, color=GREY, linewidth=0.6, linestyle="--")
    axes.set_title(one.name.replace("_", " "))
    axes.set_xlabel(one.unit)
    axes.set_xticks(list(places), [one.shown(strength) for strength in strengths])


def _error(dice: float | None) -> float:
    return float("nan") if dice is None else max(1 - dice, _LEAST_ERROR)


def _median(dices: Iterable[float | None]) -> float:
    errors = [_error(dice) for dice in dices if dice is not None]
    return float(np.median(errors)) if errors else float("nan")
