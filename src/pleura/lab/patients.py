"""Which scans belong to one patient: a CSV that the user gives, since file names don't say."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from pleura.errors import UsageError


def read_patients(path: Path) -> dict[str, str]:
    """Scan name -> patient, from a CSV with the columns name and patient (more are ignored).

    Raises:
        UsageError: the file can't be read, has no such columns, an empty cell, no row, or two
            patients for one scan.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(row["name"], row["patient"]) for row in csv.DictReader(file)]
    except (OSError, UnicodeError, KeyError, csv.Error) as error:
        raise UsageError(
            f"{path} is no table of patients ({error}); it needs the columns name and patient."
        ) from error
    if not all(name and patient for name, patient in rows):
        raise UsageError(f"{path} has a row without name or patient; fill both cells.")
    if not rows:
        raise UsageError(f"{path} names no scan; it needs a row (name, patient) for each.")
    return patient_of_each(rows, path)


def patient_of_each(rows: Iterable[tuple[str, str]], path: Path) -> dict[str, str]:
    """Scan name -> patient; raises UsageError when the file at `path` gives a scan two."""
    patients: dict[str, str] = {}
    for name, patient in rows:
        if patients.setdefault(name, patient) != patient:
            raise UsageError(f"{path} gives '{name}' two patients; a scan has exactly one.")
    return patients


def check_patients(patients: Mapping[str, str], names: Iterable[str], path: Path) -> None:
    """Raise UsageError when the table at `path` leaves out one of the scans."""
    missing = sorted(set(names) - patients.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f"{path} has no row for '{missing[0]}'{more}; add one for every scan.")


def owners(names: Iterable[str], patients: Mapping[str, str] | None) -> list[str]:
    """The patient of each scan; one that the table doesn't name counts as a patient of its own."""
    return [(patients or {}).get(name, name) for name in names]
