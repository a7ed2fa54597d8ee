"""`pleura info`: what is in a scan, which series would be used and why, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pleura.cli.run import print_json
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
    grid, quality = record["grid"], record["quality"]
    spacing = " x ".join(f"{mm:.3g}" for mm in reversed(grid["spacing_zyx_mm"]))
    shape = " x ".join(str(n) for n in reversed(grid["shape_zyx"]))
    lines = [
        f"Scan     {record['input']} ({record['format']})",
        f"Grid     {shape} voxels (x, y, z) of {spacing} mm",
        f"HU       {record['hu_range'][0]} to {record['hu_range'][1]}",
        f"Verdict  {quality['verdict']}",
    ]
    lines += [f"  {finding['severity']}: {finding['message']}" for finding in quality["findings"]]
    for series in record["series"]:
        mark = "*" if series["chosen"] else " "
        lines.append(
            f"{mark} series {series['number']}: {series['description'] or '(no description)'}, "
            f"{series['n_slices']} slices, {series['orientation']}; "
            f"{series['reason']} (UID {series['uid']})"
        )
    return "\n".join(lines)
