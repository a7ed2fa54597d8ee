"""The benchmark's points: one scan under one perturbation of one strength, kept as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pleura.lab.csv_rows import read_rows, write_rows
from pleura.lab.finding_codes import warned
from pleura.lab.perturb import Perturbation

CLEAN = "clean"  # the row that says what the scan itself was told


@dataclass(frozen=True)
class Point:
    """One scan under one perturbation of one strength; None where there is no result.

    Dice, distance and volume are against the clean scan's result on the perturbed grid.
    """

    scan: str
    perturbation: str
    strength: float
    dice: float | None = None
    dice_sides: float | None = None
    hd95_mm: float | None = None
    volume_change_percent: float | None = None
    verdict: str = ""  # pass, warn, fail or "refused: CODE"
    findings: str = ""  # severity:code, separated by blanks
    model: str = ""
    engine: str = ""
    perturbations: str = ""

    @property
    def refused(self) -> bool:
        return self.dice is None

    @cached_property
    def warnings(self) -> frozenset[str]:
        """Codes of warnings and failures."""
        return warned(self.findings)


_COLUMNS = tuple(field.name for field in fields(Point))
_NUMBERS = ("strength", "dice", "dice_sides", "hd95_mm", "volume_change_percent")


def write_points(points: Iterable[Point], file: Path) -> None:
    """CSV, five digits, empty where there is no number; atomically."""
    write_rows(map(_row, points), _COLUMNS, file)


def read_points(file: Path) -> list[Point]:
    """Points of `write_points`; raises UnreadableError: no such file, or not such a file."""
    return read_rows(file, _COLUMNS, _point)


def _row(point: Point) -> dict[str, Any]:
    row = asdict(point)
    for name in _NUMBERS:
        row[name] = "" if row[name] is None else f"{row[name]:.5g}"
    return row


def _point(row: Mapping[str, str]) -> Point:
    values: dict[str, Any] = dict(row)
    for name in _NUMBERS:
        values[name] = float(row[name]) if row[name] else None
    return Point(**values)


@dataclass(frozen=True)
class Report:
    """All points but the clean ones, and what the clean scans were told."""

    points: tuple[Point, ...]
    clean: Mapping[str, Point]

    @classmethod
    def of(cls, points: Iterable[Point], known: Sequence[Perturbation]) -> Report:
        """Points of perturbations that are still known."""
        points = list(points)
        strengths = {(p.name, strength) for p in known for strength in p.strengths}
        return cls(
            tuple(p for p in points if (p.perturbation, p.strength) in strengths),
            {p.scan: p for p in points if p.perturbation == CLEAN},
        )

    def at(self, perturbation: str, strength: float) -> list[Point]:
        return [p for p in self.points if (p.perturbation, p.strength) == (perturbation, strength)]

    def noticed(self, point: Point) -> bool:
        """Refused, or warned of something that the clean scan wasn't warned of."""
        clean = self.clean.get(point.scan)
        return point.refused or bool(point.warnings - (clean.warnings if clean else frozenset()))
