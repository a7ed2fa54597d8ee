"""Scans without labels: which there are in the files and folders that a user names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pleura.lab.sources.dicom_index import holds_dicom
from pleura.lab.sources.layout import LeftOut
from pleura.read import existing
from pleura.read.files import SUFFIXES

_PACKED = (*SUFFIXES, ".zip", ".dcm")


def unlabelled_scans(paths: Iterable[Path]) -> tuple[dict[str, Path], list[LeftOut]]:
    """Name -> scan, sorted by name, and those that can't be named.

    A file is a scan. Of a folder each image file and each sub-folder that holds DICOM is one; a
    folder of DICOM files alone is one scan, of whose series pleura chooses the best.

    Raises:
        UnreadableError: a path where nothing is.
    """
    found: dict[str, Path] = {}
    left_out = []
    for path in (scan for given in paths for scan in _scans_at(existing(given))):
        name = _name_of(path)
        if not _is_text(path):  # no table can hold it
            left_out.append(LeftOut(name, "its path isn't UTF-8; rename it"))
        elif name not in found:
            found[name] = path
        elif found[name].resolve() != path.resolve():
            left_out.append(LeftOut(name, f"{path} has the name of {found[name]}; rename one"))
    return dict(sorted(found.items())), left_out


def _scans_at(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    scans = [
        entry
        for entry in entries
        if (holds_dicom(entry) if entry.is_dir() else entry.name.lower().endswith(SUFFIXES))
    ]
    return scans or ([path] if holds_dicom(path) else [])


def _is_text(path: Path) -> bool:
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        return False
    return True


def _name_of(path: Path) -> str:
    name = path.resolve().name
    suffixes = () if path.is_dir() else _PACKED
    known = (suffix for suffix in suffixes if name.lower().endswith(suffix))
    return name[: len(name) - len(next(known, ""))]
