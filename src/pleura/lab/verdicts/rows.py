"""The benchmark's rows: one judged mask each, kept as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pleura.lab.csv_rows import read_rows, write_rows

REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """One judged mask.

    Args:
        experiment: good, mask or scan (a good mask, a mask made wrong, a scan made wrong).
        way: whose mask, or what was done to it.
        set, scan, role: of the data.
        outcome: pass, warn, fail or refused.
        codes: findings as `finding_codes.codes_of` writes them; the error's code where refused.
        dice: of both lungs, against the good mask; None where refused.
    """

    experiment: str
    way: str
    set: str
    scan: str
    role: str
    outcome: str
    codes: str
    dice: float | None = None


_COLUMNS = tuple(field.name for field in fields(Row))


def write_verdicts(rows: Iterable[Row], file: Path) -> None:
    """CSV with four digits of Dice, atomically; raises OutputError."""
    write_rows(map(_as_text, rows), _COLUMNS, file)


def read_verdicts(file: Path) -> list[Row]:
    """Rows of `write_verdicts`; raises UnreadableError: no such file, or not such a file."""
    return read_rows(file, _COLUMNS, _row)


def _as_text(row: Row) -> dict[str, Any]:
    return {**asdict(row), "dice": "" if row.dice is None else f"{row.dice:.4f}"}


def _row(line: Mapping[str, str]) -> Row:
    values: dict[str, Any] = {**line, "dice": float(line["dice"]) if line["dice"] else None}
    return Row(**values)
