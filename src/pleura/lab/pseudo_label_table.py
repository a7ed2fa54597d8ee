"""pseudo_labels.csv: a line a scan that `pleura pseudo-label` looked at, kept or not, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pleura.errors import UsageError
from pleura.lab.csv_rows import write_rows
from pleura.lab.patients import read_table

TABLE = "pseudo_labels.csv"
_YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class PseudoLabel:
    """What became of one unlabelled scan.

    Args:
        name: of its image and labels, and of the scan in a store.
        scan: where it was read from.
        model: name, version and the first digits of the network's SHA-256.
        verdict: pass, warn or fail; "" when the scan could not be segmented.
        findings: as `finding_codes.codes_of` has them.
        edge_entropy_bits: how unsure the network was along the mask's edge, see
            `quality.uncertainty`; None without an edge.
        right_ml, left_ml: volumes; None when the scan could not be segmented.
        kept: image and labels were written.
        reason: why not; "" when kept.
    """

    name: str
    scan: str
    model: str
    verdict: str = ""
    findings: str = ""
    edge_entropy_bits: float | None = None
    right_ml: float | None = None
    left_ml: float | None = None
    kept: bool = False
    reason: str = ""


COLUMNS = tuple(field.name for field in fields(PseudoLabel))
_NUMBERS = ("edge_entropy_bits", "right_ml", "left_ml")


def write_table(rows: Iterable[PseudoLabel], folder: Path) -> None:
    """Write the table of a folder, sorted by name, atomically; raises OutputError."""
    ordered = sorted(rows, key=lambda row: row.name)
    lines = [{**asdict(row), "kept": "yes" if row.kept else "no"} for row in ordered]
    write_rows(lines, COLUMNS, folder / TABLE)


def read_pseudo_labels(folder: Path) -> list[PseudoLabel]:
    """The rows of a folder's table; raises UsageError when it isn't one."""
    path = folder / TABLE
    rows = []
    for line in read_table(path, COLUMNS, "table of pseudo-labels"):
        known: dict[str, str] = {column: line[column] or "" for column in COLUMNS}
        try:
            numbers = {key: float(known[key]) if known[key] else None for key in _NUMBERS}
            kept = _YES_NO[known["kept"]]
        except (ValueError, KeyError) as error:
            raise UsageError(
                f"{path} has a damaged line for '{known['name']}' ({error}); remove the line and "
                "run `pleura pseudo-label` again."
            ) from error
        words = {key: value for key, value in known.items() if key not in (*_NUMBERS, "kept")}
        rows.append(PseudoLabel(**words, **numbers, kept=kept))  # type: ignore[arg-type]
    return rows
