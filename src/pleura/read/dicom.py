"""DICOM CT -> `Volume`: scan headers, choose a series, order it, read its pixels.

scan_path      headers of all files -> FolderScan      dicom_headers, _frames, _marks, _series
  split        what can be one stack                   dicom_split
  unusable     what is no CT in HU                     dicom_usable, dicom_kind
  build_stack  order, grid, gaps, tilt                 dicom_stack, dicom_spacing
rank_series    which series, and why                   dicom_choice
read_pixels    HU                                      dicom_pixels, dicom_codecs, dicom_padding
still_the_same has the scan changed meanwhile?         dicom_still
findings       folder, patient's position, processing  dicom_findings
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from pleura.errors import UnreadableError
from pleura.read.dicom_choice import choose_series, rank_series
from pleura.read.dicom_findings import folder_findings, header_findings
from pleura.read.dicom_pixels import read_pixels
from pleura.read.dicom_series import Series, scan_folder, scan_path
from pleura.read.dicom_still import still_the_same
from pleura.read.free_memory import check_memory
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
        UnreadableError: no DICOM, pixels that can't be decoded, or files that change meanwhile.
        NotCTError: other modalities only.
        IntensityError: values of another quantity than HU.
        GeometryError: no usable voxel grid.
    """
    path = Path(path)
    scan = scan_path(path, files)
    ranked = rank_series(scan.series, wanted)
    chosen = next(s for s in ranked if s.chosen)
    if chosen.stack is None:  # rank_series never chooses one, but says so only in words
        raise UnreadableError(chosen.rejected)
    voxels = math.prod(chosen.stack.geometry.shape_zyx)
    check_memory(3 * voxels, str(path))  # HU, and later the mask
    with still_the_same(path, scan, chosen, whole=files is None):
        array, pixel_findings = read_pixels(chosen.stack.slices)
    return Volume(
        array=array,
        geometry=chosen.stack.geometry,
        source=path,
        format="dicom",
        findings=(
            *folder_findings(scan, ranked, chosen, wanted),
            *header_findings(chosen),
            *chosen.stack.findings,
            *pixel_findings,
        ),
        series=tuple(s.summary() for s in ranked),
        instances=tuple(
            (str(s.image.path.relative_to(path)) if s.image.path != path else "", s.frame)
            for s in chosen.stack.slices
        ),
    )
