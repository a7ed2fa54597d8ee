"""Who is train, validation and test: always by patient, never by slice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pleura.errors import UsageError
from pleura.lab.patients import check_patients, patient_of_each, read_patients, read_table

_COLUMNS = ("set", "name", "patient", "role")
ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Name -> (patient, role) of one data set.

    Without a split file a role comes from a hash of the patient: 70 % train, 15 % validation,
    15 % test, the same on every machine.

    Args:
        entries: what a file says.
        file: the file, which must then name every scan; None when there is none.
    """

    entries: Mapping[str, tuple[str, str]]
    file: Path | None = None

    @classmethod
    def from_csv(cls, path: Path, source: str) -> Split:
        """Read `set,name,patient,role`; rows of other sets are left out.

        A patient has one role in the whole file, also when several sets share the patient.

        Raises:
            UsageError: missing file or column, unknown role, a patient with two roles, or a scan
                with two patients.
        """
        rows = _rows(path)
        roles: dict[str, str] = {}
        for row in rows:
            patient, role = row["patient"], row["role"]
            if role not in ROLES:
                raise UsageError(f"{path} has role '{role}'; it must be one of {', '.join(ROLES)}.")
            if roles.setdefault(patient, role) != role:
                raise UsageError(f"{path} gives a patient two roles; a patient has exactly one.")
        mine = ((row["name"], row["patient"]) for row in rows if row["set"] == source)
        patients = patient_of_each(mine, path)
        if not patients:
            raise UsageError(f"{path} has no rows of the set '{source}'; name it by --set.")
        return cls({name: (patient, roles[patient]) for name, patient in patients.items()}, path)

    @classmethod
    def from_patients(cls, path: Path) -> Split:
        """Read `name,patient`; the scans of one patient get one role, by the patient's hash.

        Raises:
            UsageError: as `read_patients` does.
        """
        patients = read_patients(path)
        return cls({name: (p, _role_of(p)) for name, p in patients.items()}, path)

    @classmethod
    def by_hash(cls) -> Split:
        return cls({})

    def of(self, name: str, patient: str | None = None) -> tuple[str, str]:
        """(patient, role) of a scan; without a file its patient is `patient`, else its name.

        Raises:
            UsageError: the file doesn't name the scan.
        """
        if name in self.entries:
            return self.entries[name]
        if self.file is not None:
            check_patients(self.entries, [name], self.file)
        patient = patient or name
        return patient, _role_of(patient)


def _role_of(patient: str) -> str:
    share = int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < 0.70 else "validation" if share < 0.85 else "test"


def _rows(path: Path) -> list[dict[str, str]]:
    rows = read_table(path, _COLUMNS, "split file")
    for row in rows:
        if not all(row[column] for column in _COLUMNS):
            raise UsageError(f"{path} has an empty cell in {row}; fill it.")
    return rows
