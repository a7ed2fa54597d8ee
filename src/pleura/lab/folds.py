"""Which scans train and which validate: the store's roles, or one fold of a cross-validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pleura.errors import UsageError
from pleura.lab.store import Scan, Store


def training_and_validation(
    store: Store, folds: int = 0, fold: int = 0
) -> tuple[list[Scan], list[Scan]]:
    """Scans that train and scans that validate; the role test is never touched.

    Args:
        folds: 0 for the store's roles; else the patients of train and validation together are
            dealt into so many parts, source by source.
        fold: the part that validates.

    Raises:
        UsageError: fewer patients than folds.
    """
    train, validation = list(store.of_role("train")), list(store.of_role("validation"))
    if folds == 0:
        return train, validation
    scans = train + validation
    parts = deal(scans, folds)
    if len(set(parts.values())) < folds:
        raise UsageError(
            f"{store.path} has {len(parts)} patients for train and validation; "
            f"choose fewer folds than {folds}."
        )
    return (
        [scan for scan in scans if parts[scan.patient] != fold],
        [scan for scan in scans if parts[scan.patient] == fold],
    )


def deal(scans: Iterable[Scan], folds: int) -> dict[str, int]:
    """Patient -> fold, the same on every machine.

    A patient has one fold in all sources. Each source's patients are dealt out in turn, in the
    order of a hash of their names, so that every fold gets its share of every source (as far as
    sources don't share patients).
    """
    by_source: dict[str, set[str]] = {}
    for scan in scans:
        by_source.setdefault(scan.source, set()).add(scan.patient)
    parts: dict[str, int] = {}
    dealt = 0
    for source in sorted(by_source, key=lambda name: (len(by_source[name]), name)):
        for patient in sorted(by_source[source] - parts.keys(), key=_shuffled):
            parts[patient] = dealt % folds
            dealt += 1
    return parts


def _shuffled(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()
