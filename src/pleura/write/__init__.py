"""Writing a mask or probabilities: by suffix, and atomically (all of a file or none of it).

images.py      NIfTI, NRRD, MetaImage
surfaces.py    STL, OBJ, GLB; meshes.py makes them
dicom/         SEG, RTSTRUCT, SR, which refer to the scan's own images
atomic.py, leftovers.py, signals.py   nothing is left half-written
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pleura.errors import OutputError, UsageError
from pleura.read.itk_path import is_utf8
from pleura.volume import Mask, ProbabilityMap, Volume
from pleura.write.images import DATA_SUFFIX, ITK_SUFFIXES, write_itk, write_nifti

if TYPE_CHECKING:
    from pleura.write.dicom.common import Origin
    from pleura.write.dicom.objects import DicomObjects

SUFFIXES = (".nii.gz", ".nii", *ITK_SUFFIXES)
SURFACE_SUFFIXES = (".stl", ".obj", ".glb")
RTSTRUCT_SUFFIX, DICOM_SUFFIX = ".rtstruct.dcm", ".dcm"
MASK_SUFFIXES = (*SUFFIXES, DICOM_SUFFIX, RTSTRUCT_SUFFIX, *SURFACE_SUFFIXES)


def check_output(path: Path, source: Path | None, suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Refuse an output before any work is done.

    Args:
        path: the output.
        source: the scan; None for one in memory.
        suffixes: MASK_SUFFIXES for a mask that was made from a scan.

    Raises:
        UsageError: unknown suffix, missing folder, the input itself or a place inside its folder;
            a DICOM object from a scan that is none.
        OutputError: no permission to write there.
    """
    name = path.name.lower()
    if not name.endswith(suffixes):
        raise UsageError(
            f"{path} has no suffix that an image can be written as; use {', '.join(suffixes)}."
        )
    if name.endswith(DICOM_SUFFIX):
        from pleura.write.dicom.sources import check_has_sources

        check_has_sources(source)
    if path.name.lower().endswith(ITK_SUFFIXES) and not is_utf8(path.absolute()):
        raise UsageError(f"{path} is no UTF-8, which only NIfTI can be written to; use .nii.gz.")
    check_place(path, source)
    data = path.with_suffix(DATA_SUFFIX)
    if path.suffix.lower() == ".mhd" and data.exists() and not path.exists():
        raise UsageError(
            f"{path} would overwrite {data}, which belongs to another image; name another file."
        )


def check_place(path: Path, source: Path | None) -> None:
    """Refuse a place where nothing can or should be written.

    A link at the place is replaced by the output; what it points to stays as it was.

    Raises:
        UsageError: missing folder, a folder, pipe or device as file, a name too long, the input
            itself or a place inside its folder.
        OutputError: no permission to write there.
    """
    try:
        if not path.parent.is_dir():
            raise UsageError(f"The folder {path.parent} does not exist; make it or choose another.")
        mode = path.lstat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG  # what will be there
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} can't be a file's name ({getattr(error, 'strerror', error)}); choose another."
        ) from error
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file.")
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise UsageError(f"{path} is a pipe, socket or device; name a file.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} could not be written (no permission); choose another place.")
    if source is None:
        return
    if path.exists() and path.samefile(source):
        raise UsageError(f"{path} is the input; pleura never overwrites a scan, name another file.")
    # realpath: unlike `resolve` it takes a link that points to itself.
    places = (Path(os.path.realpath(path)), path.parent.resolve() / path.name)
    if source.is_dir() and any(source.resolve() in place.parents for place in places):
        raise UsageError(
            f"{path} lies in the input's folder, where pleura never writes; "
            "name an output elsewhere (-o)."
        )


def check_distinct(paths: Iterable[Path]) -> None:
    """Refuse outputs of one call that would overwrite each other.

    Raises:
        UsageError: two of them are one file, or keep their voxels in one file.
    """
    owners: dict[Path, Path] = {}
    for path in paths:
        files = [path, path.with_suffix(DATA_SUFFIX)] if path.suffix.lower() == ".mhd" else [path]
        for file in files:
            place = file.parent.resolve() / file.name
            if place in owners:
                raise UsageError(
                    f"{owners[place]} and {path} would both be written to {file}; "
                    "name another file."
                )
            owners[place] = path


def write_mask(mask: Mask | ProbabilityMap, path: Path) -> None:
    """Write a mask, or probabilities, as an image in the format of the suffix.

    Raises:
        UsageError: unknown suffix or folder.
        OutputError: disk full, no permission; nothing is left behind.
        GeometryError: a sheared grid in a format that has none (anything but NIfTI).
    """
    check_output(path, None)
    if path.name.lower().endswith((".nii.gz", ".nii")):
        write_nifti(mask, path)
    else:
        write_itk(mask, path)


def write_output(
    mask: Mask, volume: Volume, path: Path, origin: Origin, objects: DicomObjects | None = None
) -> None:
    """Write a mask of a scan in any format that it can have, see `MASK_SUFFIXES`.

    Args:
        mask: on the grid of `volume`.
        volume: the scan; DICOM objects refer to its images.
        path: .dcm is a DICOM SEG, .rtstruct.dcm an RTSTRUCT.
        origin: the network, which DICOM objects name.
        objects: of this mask, when other DICOM files of it are written as well.

    Raises:
        UsageError: unknown suffix or folder; a DICOM object of a scan that is none; a surface of an
            empty mask.
        UnreadableError: the scan's DICOM headers are gone or changed.
        OutputError, GeometryError: as `write_mask`.
    """
    name = path.name.lower()
    if name.endswith(SURFACE_SUFFIXES):
        from pleura.write.surfaces import write_surfaces

        check_place(path, None)
        write_surfaces(mask, path)
    elif name.endswith(DICOM_SUFFIX):
        from pleura.write.dicom.objects import DicomObjects

        check_place(path, None)
        made = objects or DicomObjects(mask, volume, origin)
        (made.write_rtstruct if name.endswith(RTSTRUCT_SUFFIX) else made.write_seg)(path)
    else:
        write_mask(mask, path)
