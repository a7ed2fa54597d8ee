"""DICOM CT -> `Volume`: scan headers, choose a series, order it, read its pixels.

scan_path      headers of all files -> FolderScan      dicom_headers, dicom_values, dicom_series
rank_series    which series, and why                   dicom_choice
build_stack    order, grid, gaps, tilt                 dicom_stack
read_pixels    HU                                      dicom_pixels
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pleura.errors import NotCTError, UnreadableError
from pleura.findings import Finding, count_of
from pleura.read.dicom_choice import choose_series, rank_series
from pleura.read.dicom_pixels import read_pixels
from pleura.read.dicom_series import FolderScan, Series, scan_folder, scan_path
from pleura.volume import Volume

__all__ = ["Series", "choose_series", "read_dicom", "scan_folder"]


def read_dicom(
    path: Path, wanted: str | None = None, files: Iterable[Path] | None = None
) -> Volume:
    """Read the chest CT series of a folder (sub-folders too), or one DICOM file alone.

    Args:
        path: a folder of DICOM files in any order and naming, or a single- or multi-frame file.
        wanted: SeriesInstanceUID or series number; None chooses by the rules of `choose_series`.
        files: only these files of the folder, for callers that know the series' own.

    Returns:
        HU int16 (z, y, x), slices ordered along their normal; `series` lists all that was found.

    Raises:
        UsageError: there is no series `wanted`.
        UnreadableError: no DICOM, or pixels that can't be decoded.
        NotCTError: other modalities only.
        GeometryError: no usable voxel grid.
    """
    path = Path(path)
    scan = scan_path(path, files)
    ranked = rank_series(scan.series, wanted)
    chosen = next(s for s in ranked if s.chosen)
    if chosen.stack is None:  # rank_series never chooses one, but says so only in words
        raise UnreadableError(chosen.rejected)
    array, pixel_findings = read_pixels(chosen.stack.slices)
    return Volume(
        array=array,
        geometry=chosen.stack.geometry,
        source=path,
        format="dicom",
        findings=(
            *_scan_findings(scan, ranked, chosen, wanted),
            *chosen.stack.findings,
            *pixel_findings,
        ),
        series=tuple(s.summary() for s in ranked),
    )


def _scan_findings(
    scan: FolderScan, ranked: Sequence[Series], chosen: Series, wanted: str | None
) -> list[Finding]:
    findings = []
    usable = [s for s in ranked if not s.rejected]
    if wanted is None and len(usable) > 1:
        others = "; ".join(f"{s.name}: {s.reason}" for s in usable if s is not chosen)
        findings.append(
            Finding(
                "series_chosen",
                "note",
                f"Of {len(usable)} usable series {chosen.name} was taken "
                f"({count_of(chosen.n_slices, 'slice')}); "
                f"not taken were {others} (--series takes another).",
            )
        )
    findings += [
        Finding("series_unusable", "warn", f"Another CT {s.name} was left out: {s.rejected}")
        for s in ranked
        if s.rejected and s.modality == "CT" and s.rejection is not NotCTError and wanted is None
    ]
    if scan.damaged:
        findings.append(
            Finding(
                "unreadable_files",
                "warn",
                f"{count_of(len(scan.damaged), 'file')} could not be read and was left out, "
                f"such as '{scan.damaged[0]}'; copy the series again.",
            )
        )
    return findings
