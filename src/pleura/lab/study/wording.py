"""Numbers of a study as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pleura.lab.study.aggregate import Interval
from pleura.lab.tables import METRICS

NONE = "-"
_NBSP = "\N{NO-BREAK SPACE}"
PLUS = "+"
MINUS = "\N{MINUS SIGN}"
_DICE_DIGITS = METRICS["dice"][1]
_HD95_DIGITS = METRICS["hd95_mm"][1]


def dice(value: float | None) -> str:
    return NONE if value is None else f"{value:.{_DICE_DIGITS}f}"


def signed(value: float) -> str:
    """With plus or minus, unless it is zero at the digits shown."""
    text = dice(abs(value))
    if float(text) == 0:
        return text
    return (PLUS if value > 0 else MINUS) + text


def hd95(value: float | None) -> str:
    return NONE if value is None else f"{value:.{_HD95_DIGITS}f}"


def interval(low_high: Interval, number: Callable[[float], str] = dice) -> str:
    return f"{number(low_high[0])} to {number(low_high[1])}"


def by_patient(values: Mapping[str, float], number: Callable[[float], str] = dice) -> str:
    return ", ".join(named(patient, value, number) for patient, value in values.items())


def named(name: str, value: float | None, number: Callable[[float], str] = dice) -> str:
    """A name and its value, kept on one line."""
    return f"{name}{_NBSP}{NONE if value is None else number(value)}"


def title(name: str) -> str:
    """A set's or role's name as a heading: "sick_slices" -> "Sick slices"."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
