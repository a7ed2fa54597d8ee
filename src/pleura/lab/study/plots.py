"""A study's figures as SVG: learning curves, and every scan's Dice as a dot.

Dice is drawn on an axis that is logarithmic in 1 - Dice and labelled in Dice: near 1, where all
rows crowd, halving the error is the same distance everywhere. Shapes and dashes say the same
as colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pleura.lab.plots import COLOURS, rendered, styled_figure
from pleura.lab.split import ROLES
from pleura.lab.study.aggregate import ALL_SETS, Aggregate, Cell, aggregate
from pleura.lab.study.scores import Curve, StudyRecord
from pleura.lab.study.wording import named, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The page turns these into its own colours.
INK, PAPER, BLUE = "#010203", "#fefefd", COLOURS[0]
_ORANGE, _GREY = COLOURS[4], COLOURS[6]
_ROLE_STYLES = {"train": (_GREY, "s"), "validation": (_ORANGE, "^"), "test": (BLUE, "o")}
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_DICE_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
_LEAST_ERROR = 2e-4
_DICE_AXIS = "Dice (axis logarithmic in 1 \N{MINUS SIGN} Dice)"
_LONGEST_NAME = 26
_WIDTH = 9.0
_LANE = 0.2  # inches
# What differs from the look of all figures.
_LOOK = {
    "font.family": "sans-serif", "axes.titleweight": "bold", "axes.titlelocation": "left",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
    "xtick.color": INK, "ytick.color": INK,
    "figure.facecolor": PAPER, "axes.facecolor": "none", "savefig.facecolor": PAPER,
    "axes.grid": False, "grid.color": _GREY, "grid.alpha": 0.3,
    "figure.constrained_layout.w_pad": 0.1, "figure.constrained_layout.h_pad": 0.1,
}  # fmt: skip
FIGURES = ("curves", "strips")


def figures(record: StudyRecord, numbers: Aggregate) -> dict[str, str]:
    """Name (of `FIGURES`) -> SVG, of those that have something to show.

    Raises:
        UsageError: matplotlib isn't installed.
    """
    drawn = dict(zip(FIGURES, (curves_svg(record), strips_svg(record, numbers)), strict=True))
    return {name: svg for name, svg in drawn.items() if svg is not None}


def curves_svg(record: StudyRecord) -> str | None:
    """Training loss and validation Dice against steps; None without curves.

    A colour is a row, a line a seed; a ring marks the step whose weights were kept.

    Raises:
        UsageError: matplotlib isn't installed.
    """
    if not record.curves:
        return None
    with styled_figure(_WIDTH, 3.9, _LOOK) as figure:
        loss, score = figure.subplots(1, 2)
        rows = [row for row in record.rows if any(curve.row == row for curve in record.curves)]
        for i, row in enumerate(rows):
            runs = [curve for curve in record.curves if curve.row == row]
            for j, curve in enumerate(sorted(runs, key=lambda curve: curve.seed)):
                style = {"color": COLOURS[i % len(COLOURS)], "linestyle": _DASHES[j % 4]}
                _line(loss, curve, curve.loss, style)
                _line(score, curve, [_error(value) for value in curve.validation_dice], style)
        loss.set_title("Training loss")
        _loss_axis(loss, [value for curve in record.curves for value in curve.loss])
        score.set_title("Validation Dice")
        errors = [_error(value) for curve in record.curves for value in curve.validation_dice]
        _dice_axis(score, "y", errors)
        score.set_ylabel(_DICE_AXIS)
        for axes in (loss, score):
            axes.set_xlabel("Training step")
            axes.grid(visible=True)
        _curve_legend(figure, rows, sorted({curve.seed for curve in record.curves}))
        return rendered(figure, ".svg").decode()


def strips_svg(record: StudyRecord, numbers: Aggregate | None = None) -> str | None:
    """Every scan's Dice (mean over seeds) by data set, row and role; None without scores.

    A bar is the mean over patients, the name is the lowest test scan's.

    Raises:
        UsageError: matplotlib isn't installed.
    """
    numbers = numbers or aggregate(record)
    sets = [s for s in numbers.sets if s != ALL_SETS and any(numbers.scans(s, r) for r in ROLES)]
    if not sets:
        return None
    lanes = {set_: list(_lanes(numbers, set_)) for set_ in sets}
    heights = [len(lanes[set_]) + 1.5 for set_ in sets]
    height = _LANE * sum(heights) + 0.9 + 0.35 * len(sets)
    with styled_figure(_WIDTH, height, _LOOK) as figure:
        panels = figure.subplots(
            len(sets), 1, sharex=True, squeeze=False, height_ratios=heights
        ).ravel()  # fmt: skip
        cells = [cell for found in lanes.values() for *_, cell in found if cell]
        errors = [_error(scan.dice) for cell in cells for scan in cell.scored]
        for axes, set_ in zip(panels, sets, strict=True):
            axes.set_title(title(set_))
            _strips(axes, lanes[set_])
        _dice_axis(panels[-1], "x", errors, names=0.17)
        panels[-1].set_xlabel(f"{_DICE_AXIS}, better to the right")
        _role_legend(figure)
        return rendered(figure, ".svg").decode()


def _lanes(numbers: Aggregate, set_: str) -> Iterator[tuple[float, str, str, Cell]]:
    """Height (downwards), row, role and numbers of every strip; a gap between rows."""
    height = 0.0
    for row in numbers.rows:
        found = [(role, numbers.cells.get((row, set_, role))) for role in ROLES]
        for role, cell in found:
            if cell and cell.scored:
                yield height, row, role, cell
                height += 1
        height += 0.5 * any(cell and cell.scored for _, cell in found)


def _strips(axes: Axes, lanes: Sequence[tuple[float, str, str, Cell]]) -> None:
    for height, _, role, cell in lanes:
        colour, marker = _ROLE_STYLES[role]
        errors = [_error(scan.dice) for scan in cell.scored]
        jitter = [height + _jitter(i) for i in range(len(errors))]
        axes.scatter(errors, jitter, s=14, c=colour, marker=marker, alpha=0.75, linewidths=0)
        mean = _error(cell.dice)
        axes.plot([mean, mean], [height - 0.42, height + 0.42], color=INK, linewidth=1.6)
        if role == "test" and cell.worst:
            name = named(_short(cell.worst.name), cell.worst.dice)
            place = _error(cell.worst.dice), jitter[cell.scored.index(cell.worst)]
            axes.annotate(
                name, place, xytext=(-5, 0), textcoords="offset points",
                ha="right", va="center", fontsize=7,
            )  # fmt: skip
    rows = dict.fromkeys(row for _, row, *_ in lanes)
    centres = [_centre([height for height, name, *_ in lanes if name == row]) for row in rows]
    axes.set_yticks(centres, [_short(row) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_ylim(lanes[-1][0] + 0.8, -0.8)
    axes.grid(visible=True, axis="x")


def _jitter(i: int) -> float:
    """Evenly spread offsets without chance: multiples of the golden ratio."""
    return ((i * 0.6180339887 + 0.5) % 1 - 0.5) * 0.6


def _centre(heights: Sequence[float]) -> float:
    return (heights[0] + heights[-1]) / 2


def _error(value: float | None) -> float:
    """1 - Dice, kept on the axis; nan stays a gap."""
    return float("nan") if value is None or math.isnan(value) else max(1 - value, _LEAST_ERROR)


def _loss_axis(axes: Axes, losses: Sequence[float]) -> None:
    """Logarithmic unless a loss is zero or negative, as a boundary loss may be."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    if all(loss > 0 for loss in losses if math.isfinite(loss)):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
        axes.set_yticks([], minor=True)


def _dice_axis(axes: Axes, which: str, errors: Sequence[float], names: float = 0.0) -> None:
    """Errors 1 - Dice on a logarithmic axis, small ones up or right, ticks labelled in Dice.

    `names` is the share of the axis that is left free for names beside the worst.
    """
    finite = [error for error in errors if math.isfinite(error)] or [0.01, 0.1]
    worst, best = max(finite) * 1.25, min(finite) / 1.25
    end = worst * (worst / best) ** names
    ticks = [tick for tick in _DICE_TICKS if best <= 1 - tick <= worst]
    axis = getattr(axes, f"{which}axis")
    getattr(axes, f"set_{which}lim")(end, best)
    getattr(axes, f"set_{which}scale")("log")
    axis.set_ticks([1 - tick for tick in ticks], [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _line(axes: Axes, curve: Curve, values: Sequence[float], style: dict[str, Any]) -> None:
    axes.plot(curve.steps, values, linewidth=1.4, **style)
    if curve.best_step in curve.steps:
        best = values[curve.steps.index(curve.best_step)]
        axes.plot(
            [curve.best_step], [best], "o", markersize=6, markerfacecolor=PAPER,
            markeredgewidth=1.4, markeredgecolor=style["color"],
        )  # fmt: skip


def _curve_legend(figure: Figure, rows: Sequence[str], seeds: Sequence[int]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], linewidth=2.5, label=_short(row))
        for i, row in enumerate(rows)
    ]
    if len(seeds) > 1:
        handles += [
            Line2D([], [], color=INK, linestyle=_DASHES[j % 4], label=f"seed {seed}")
            for j, seed in enumerate(seeds)
        ]
    handles.append(
        Line2D(
            [], [], color=INK, marker="o", markerfacecolor=PAPER, linestyle="", label="weights kept"
        )
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7))


def _role_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=role)
        for role, (colour, marker) in _ROLE_STYLES.items()
    ]
    handles.append(
        Line2D([], [], color=INK, marker="|", markeredgewidth=1.6, markersize=9, linestyle="",
               label="mean over patients")
    )  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _short(name: str) -> str:
    plain = " ".join(name.split())
    return (
        plain
        if len(plain) <= _LONGEST_NAME
        else f"{plain[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )
