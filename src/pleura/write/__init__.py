"""Writing a mask: by suffix, and atomically (all of a file or none of it)."""

from __future__ import annotations

from pathlib import Path

from pleura.errors import UsageError
from pleura.volume import Mask
from pleura.write.images import ITK_SUFFIXES, write_itk, write_nifti

SUFFIXES = (".nii.gz", ".nii", *ITK_SUFFIXES)


def check_output(path: Path, source: Path | None) -> None:
    """Refuse an output before any work is done.

    Raises:
        UsageError: unknown suffix, missing folder, or the input itself.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise UsageError(
            f"{path} has no suffix that a mask can be written as; use {', '.join(SUFFIXES)}."
        )
    check_place(path, source)


def check_place(path: Path, source: Path | None) -> None:
    """Refuse a missing folder, a folder as file, or the input itself (UsageError)."""
    if not path.parent.is_dir():
        raise UsageError(f"The folder {path.parent} does not exist; make it or choose another.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file.")
    if source is None or not path.exists():
        return
    if path.samefile(source) or (source.is_dir() and source.resolve() in path.resolve().parents):
        raise UsageError(f"{path} is the input; pleura never overwrites a scan, name another file.")


def write_mask(mask: Mask, path: Path) -> None:
    """Write a mask in the format of its suffix.

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
