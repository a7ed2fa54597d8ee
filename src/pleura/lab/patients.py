"""Which scans belong to one patient: a CSV that the user gives, since file names don't say."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pleura.errors import UsageError


def read_patients(path: Path) -> dict[str, str]:
    """Scan name -> patient, from a CSV with the columns name and patient (more are ignored).

    Raises:
        UsageError: the file can't be read, has no such columns, an empty cell, no row, or two
            patients for one scan.
    """
    table = read_table(path, ("name", "patient"), "table of patients")
    rows = [(row["name"], row["patient"]) for row in table]
    if not all(name and patient for name, patient in rows):
        raise UsageError(f"{path} has a row without name or patient; fill both cells.")
    if not rows:
        raise UsageError(f"{path} names no scan; it needs a row (name, patient) for each.")
    return patient_of_each(rows, path)


def read_table(path: Path, columns: Sequence[str], kind: str) -> list[dict[str, str]]:
    """The rows of a CSV with a header; a cell that a row lacks is None.

    Args:
        path: the file, in UTF-8.
        columns: those that it needs; more are ignored.
        kind: what the file is to the user, for messages.

    Raises:
        UsageError: no such file, an unreadable one, or one that lacks a column.
    """
    needed = f"it needs the columns {', '.join(columns[:-1])} and {columns[-1]}"
    try:
        # Spreadsheets put a byte order mark before the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or [])
            rows = list(reader)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; check the path of the {kind}.") from error
    except (OSError, UnicodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} is no {kind} ({reason}); {needed}.") from error
    if not set(columns) <= set(header):
        have = f"its columns are {', '.join(header)}" if header else "it is empty"
        # Spreadsheets of many languages write semicolons.
        commas = any(mark in name for name in header for mark in ";\t|")
        hint = ", separated by commas" if commas else ""
        raise UsageError(f"{path} is no {kind}: {have}; {needed}{hint}.")
    return rows


def patient_of_each(rows: Iterable[tuple[str, str]], path: Path) -> dict[str, str]:
    """Scan name -> patient; raises UsageError when the file at `path` gives a scan two."""
    patients: dict[str, str] = {}
    for name, patient in rows:
        if patients.setdefault(name, patient) != patient:
            raise UsageError(f"{path} gives '{name}' two patients; a scan has exactly one.")
    return patients


def check_patients(patients: Collection[str], names: Iterable[str], path: Path) -> None:
    """Raise UsageError when the table at `path` leaves out one of the scans."""
    missing = sorted(set(names) - set(patients))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f"{path} has no row for '{missing[0]}'{more}; add one for every scan.")


def owners(names: Iterable[str], patients: Mapping[str, str] | None) -> list[str]:
    """The patient of each scan; one that the table doesn't name counts as a patient of its own."""
    return [(patients or {}).get(name, name) for name in names]
