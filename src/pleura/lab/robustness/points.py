"""The benchmark's points: one scan under one perturbation of one strength, kept as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pleura.errors import UnreadableError
from pleura.lab.perturb import Perturbation
from pleura.write.atomic import write_bytes

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
        words = (word.partition(":") for word in self.findings.split())
        return frozenset(code for severity, _, code in words if severity != "note")


_COLUMNS = tuple(field.name for field in fields(Point))
_NUMBERS = ("strength", "dice", "dice_sides", "hd95_mm", "volume_change_percent")


def write_points(points: Iterable[Point], file: Path) -> None:
    """CSV, five digits, empty where there is no number; atomically."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for point in points:
        row = asdict(point)
        for name in _NUMBERS:
            row[name] = "" if row[name] is None else f"{row[name]:.5g}"
        writer.writerow(row)
    write_bytes(file, stream.getvalue().encode())


def read_points(file: Path) -> list[Point]:
    """Points of `write_points`; raises UnreadableError: no such file, or not such a file."""
    if not file.is_file():
        raise UnreadableError(f"There is no {file}; run the benchmark without --report first.")
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    if rows and tuple(rows[0]) != _COLUMNS:
        raise UnreadableError(f"{file} has other columns; remove it and run the benchmark again.")
    try:
        return [_point(row) for row in rows]
    except ValueError as error:
        raise UnreadableError(f"{file} is damaged ({error}); remove it and run again.") from error


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
