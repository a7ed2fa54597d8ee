"""The look that all figures share, and the Bland-Altman plot; matplotlib is loaded on first use."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pleura.errors import UsageError, as_pleura_error
from pleura.lab.statistics import Agreement
from pleura.write.atomic import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_SUFFIXES = (".png", ".svg")

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
GREY = "#666666"
STYLE: Mapping[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "text.parse_math": False,  # a dollar in a file's name is a dollar
    "svg.fonttype": "none",  # words stay words
    "svg.hashsalt": "pleura",  # the same figure is the same file
}


@contextmanager
def styled_figure(
    width_in: float, height_in: float, look: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Figure]:
    """An empty figure (Agg, no window, no global state); draw and render it inside the `with`.

    Args:
        width_in, height_in: inches.
        look: matplotlib's parameters that differ from `STYLE`.

    Raises:
        UsageError: matplotlib isn't installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise as_pleura_error(error) from None
    # Our parameters over matplotlib's own defaults, whatever the user's matplotlibrc says.
    every: Any = {**mpl.rcParamsDefault, **STYLE, **look, "backend": "agg"}
    with mpl.rc_context(every):
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def rendered(figure: Figure, suffix: str) -> bytes:
    """The figure as PNG or SVG, equal for equal figures; call it inside `styled_figure`.

    It names neither date nor matplotlib's version.

    Raises:
        UsageError: another suffix than .png and .svg.
    """
    kind = suffix.lower()
    if kind not in PLOT_SUFFIXES:
        raise UsageError(
            f"A plot can't be written as '{suffix}'; use {' or '.join(PLOT_SUFFIXES)}."
        )
    stream = io.BytesIO()
    unsaid = ("Date", "Creator", "Format", "Type") if kind == ".svg" else ("Software",)
    figure.savefig(stream, format=kind[1:], metadata=dict.fromkeys(unsaid))
    return stream.getvalue()


def bland_altman(panels: Sequence[tuple[str, Agreement]], path: Path) -> None:
    """Bland-Altman plot of lung volumes: a panel a method, difference over mean, in ml.

    One point a scan; a solid line for the bias and dashed ones for the 95 % limits of agreement
    (Bland and Altman 1986). The mean of both measurements, not the reference, is the abscissa:
    over the reference alone, chance makes differences look as if they depended on size (Bland and
    Altman 1995). Panels share their axes, so that methods can be compared by eye.

    Args:
        panels: (title, agreement with the reference), one or two.
        path: .png or .svg.

    Raises:
        UsageError: matplotlib isn't installed, or another suffix.
        OutputError: the file can't be written; nothing partial is left.
    """
    with styled_figure(0.8 + 3.6 * len(panels), 3.4) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)
        for axes, colour, (title, agreement) in zip(grid[0], COLOURS, panels, strict=False):
            _bland_altman_panel(axes, title, agreement, colour)
        grid[0, 0].set_ylabel("Prediction − reference (ml)")  # noqa: RUF001
        data = rendered(figure, path.suffix)
    write_bytes(path, data)


def _bland_altman_panel(axes: Axes, title: str, agreement: Agreement, colour: str) -> None:
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.scatter(agreement.means, agreement.differences, s=18, color=colour, alpha=0.7, linewidth=0)
    axes.axhline(agreement.bias, color=colour, linewidth=1.1)
    for limit in agreement.limits or ():
        axes.axhline(limit, color=colour, linewidth=1.1, linestyle="--")
    axes.margins(x=0.15, y=0.15)
    scans = len(agreement.differences)
    # The numbers stand here, since beside narrow limits they would cover each other.
    words = f"bias {agreement.bias:+.0f} ml"
    if agreement.limits is not None:
        words += ", limits {:+.0f} to {:+.0f} ml".format(*agreement.limits)
    words = words.replace("-", "−")  # noqa: RUF001
    axes.set_title(f"{title} (n = {scans} scan{'s' * (scans != 1)})\n{words}")
    axes.set_xlabel("Mean of prediction and reference (ml)")
