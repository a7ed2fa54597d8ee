"""The map's rows: one a scan, one a scan and region, kept as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pleura.lab.csv_rows import read_rows, write_rows


@dataclass(frozen=True)
class ScanRow:
    """One scan.

    Args:
        set, scan, patient, role, grade: of the data.
        finding: in the words of the set's annotations.
        slice_mm: distance of slices.
        dice, hd95_mm, nsd_2mm: of both lungs; None where a distance is infinite.
        false_positive_ml, false_negative_ml, reference_ml: of both lungs.
        reference_edge_hu, found_edge_hu: where the edges lie; see `edge_level.edge_hu`.
        model: name, version and the first digits of the weights' checksum.
        engine: and its precision.
        worst_slice: the one with most error, counted from the feet; -1 where there is no lung.
        worst_slice_cm2: its error.
        picture: file of that slice's picture, where one was made.
    """

    set: str
    scan: str
    patient: str
    role: str
    grade: str
    finding: str
    slice_mm: float | None = None
    dice: float | None = None
    hd95_mm: float | None = None
    nsd_2mm: float | None = None
    false_positive_ml: float | None = None
    false_negative_ml: float | None = None
    reference_ml: float | None = None
    reference_edge_hu: float | None = None
    found_edge_hu: float | None = None
    model: str = ""
    engine: str = ""
    worst_slice: int = -1
    worst_slice_cm2: float | None = None
    picture: str = ""


@dataclass(frozen=True)
class RegionRow:
    """One region of one scan.

    Args:
        set, scan, role, grade: of the data.
        kind: place, content or depth.
        region: of `PLACES`, `CONTENTS` or `DEPTHS`.
        reference_ml: lung of the reference in it.
        false_positive_ml, false_negative_ml: error in it.
        error_share: of all error of the scan; None where there is none.
        surface_share: of all border voxels of the reference; None without any.
        surface_mean_mm, surface_p95_mm: from the reference's border voxels in it to the found
            surface; None where it has none, or nothing was found.
        found_p95_mm: from the found border voxels in it to the reference's surface.
    """

    set: str
    scan: str
    role: str
    grade: str
    kind: str
    region: str
    reference_ml: float | None = None
    false_positive_ml: float | None = None
    false_negative_ml: float | None = None
    error_share: float | None = None
    surface_share: float | None = None
    surface_mean_mm: float | None = None
    surface_p95_mm: float | None = None
    found_p95_mm: float | None = None

    @property
    def error_ml(self) -> float:
        return (self.false_positive_ml or 0.0) + (self.false_negative_ml or 0.0)


PLACE, CONTENT, DEPTH = "place", "content", "depth"


def write_scans(rows: Iterable[ScanRow], file: Path) -> None:
    """CSV with five digits, atomically; raises OutputError."""
    write_rows(map(_as_text, rows), _columns(ScanRow), file)


def read_scans(file: Path) -> list[ScanRow]:
    """Rows of `write_scans`; raises UnreadableError: no such file, or not such a file."""

    def row(line: Mapping[str, str]) -> ScanRow:
        values: dict[str, Any] = _numbers(ScanRow, line)
        return ScanRow(**{**values, "worst_slice": int(line["worst_slice"])})

    return read_rows(file, _columns(ScanRow), row)


def write_regions(rows: Iterable[RegionRow], file: Path) -> None:
    """CSV with five digits, atomically; raises OutputError."""
    write_rows(map(_as_text, rows), _columns(RegionRow), file)


def read_regions(file: Path) -> list[RegionRow]:
    """Rows of `write_regions`; raises UnreadableError: no such file, or not such a file."""
    return read_rows(file, _columns(RegionRow), lambda line: RegionRow(**_numbers(RegionRow, line)))


def _columns(kind: type[ScanRow] | type[RegionRow]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _as_text(row: ScanRow | RegionRow) -> dict[str, Any]:
    return {
        name: "" if value is None else f"{value:.5g}" if isinstance(value, float) else value
        for name, value in asdict(row).items()
    }


def _numbers(kind: type[ScanRow] | type[RegionRow], line: Mapping[str, str]) -> dict[str, Any]:
    """The line with floats where the row has them; empty is None."""
    floats = {field.name for field in fields(kind) if "float" in str(field.type)}
    return {
        name: (float(text) if text else None) if name in floats else text
        for name, text in line.items()
    }
