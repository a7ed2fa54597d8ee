"""`pleura info`: what is in a scan, which series would be used and why, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pleura.cli.run import print_json, printable
from pleura.cli.verdict import verdict_lines
from pleura.errors import EXIT_OK


def info(scan: Path, /, *, series: str | None = None, json: bool = False) -> int:
    """Show what is in a scan, which series would be used and why, and what is wrong with it.

    Parameters
    ----------
    scan
        DICOM folder, DICOM file, zip of DICOM, .nii(.gz), .nrrd, .nhdr, .mha, .mhd, or a
        single-slice .tif.
    series
        DICOM series to look at, by UID or number. Default: the best axial chest series.
    json
        Print one JSON object.
    """
    from pleura import segmenter

    record = segmenter.info(scan, series=series)
    if json:
        print_json(record)
    else:
        print(describe(record))
    return EXIT_OK


def describe(record: Mapping[str, Any]) -> str:
    """The record in lines for people."""
    grid = record["grid"]
    spacing = " x ".join(f"{mm:.3g}" for mm in reversed(grid["spacing_zyx_mm"]))
    shape = " x ".join(str(n) for n in reversed(grid["shape_zyx"]))
    lines = [
        f"Scan     {record['input']} ({record['format']})",
        f"Grid     {shape} voxels (x, y, z) of {spacing} mm",
        f"HU       {record['hu_range'][0]} to {record['hu_range'][1]}",
        *_coverage_lines(record["coverage"]),
        *verdict_lines(record["quality"]),
    ]
    for series in record["series"]:
        mark = "*" if series["chosen"] else " "
        lines.append(
            f"{mark} series {series['number']}: {series['description'] or '(no description)'}, "
            f"{series['n_slices']} slices, {series['orientation']}; "
            f"{series['reason']} (UID {series['uid']})"
        )
    return "\n".join(map(printable, lines))


def _coverage_lines(coverage: Mapping[str, Any]) -> list[str]:
    """What of the body the scan shows."""
    width, volumes = coverage["body_width_mm"], coverage["aerated_lung_ml"]
    body = "no body found" if width is None else f"body {width:.0f} mm wide"
    sides = f"right {volumes['right']:.0f}, left {volumes['left']:.0f}"
    lines = [
        f"Extent   {coverage['length_mm']:.0f} mm along the body, {body}",
        f"Lung     {volumes['total']:.0f} ml aerated ({sides}), estimated by threshold",
    ]
    places = [place for place, is_cut in coverage["cut_off"].items() if is_cut]
    if places:
        lines.append(f"Cut off  {', '.join(places)}: lung reaches the scan's edge there")
    return lines
