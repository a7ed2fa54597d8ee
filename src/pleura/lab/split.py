"""Who is train, validation and test: always by patient, never by slice."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from pleura.errors import UsageError

ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Name -> (patient, role) of one data set.

    Without a split file every scan counts as a patient of its own and gets a role from a hash of
    its name: 70 % train, 15 % validation, 15 % test, the same on every machine.
    """

    entries: dict[str, tuple[str, str]]
    complete: bool = False  # a split file was given, so that an unnamed scan is an error

    @classmethod
    def from_csv(cls, path: Path, source: str) -> Split:
        """Read `set,name,patient,role`; rows of other sets are left out.

        A patient has one role in the whole file, also when several sets share the patient.

        Raises:
            UsageError: missing file or column, unknown role, or a patient with two roles.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            everyone = [(row["patient"], row["role"]) for row in rows]
            entries = {
                row["name"]: (row["patient"], row["role"]) for row in rows if row["set"] == source
            }
        except (OSError, UnicodeError, KeyError, csv.Error) as error:
            raise UsageError(
                f"{path} is no split file ({error}); it needs the columns set, name, patient, role."
            ) from error
        roles: dict[str, str] = {}
        for patient, role in everyone:
            if role not in ROLES:
                raise UsageError(f"{path} has role '{role}'; it must be one of {', '.join(ROLES)}.")
            if roles.setdefault(patient, role) != role:
                raise UsageError(f"{path} gives a patient two roles; a patient has exactly one.")
        if not entries:
            raise UsageError(f"{path} has no rows of the set '{source}'; name it by --set.")
        return cls(entries, complete=True)

    @classmethod
    def by_hash(cls) -> Split:
        return cls({})

    def of(self, name: str) -> tuple[str, str]:
        """(patient, role) of a scan; raises UsageError when a split file doesn't name it."""
        if name in self.entries:
            return self.entries[name]
        if self.complete:
            raise UsageError(f"The split file has no row for '{name}'; add one or remove the scan.")
        share = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
        return name, "train" if share < 0.70 else "validation" if share < 0.85 else "test"
