"""TotalSegmentator's data set (Wasserthal et al. 2023): a folder a subject, a mask an organ."""

from __future__ import annotations

from pathlib import Path

from pleura.lab.label_map import StructureFiles
from pleura.lab.sources.layout import Found, Layout, LeftOut, Pair, Search, without_options
from pleura.lab.structures import LEFT_LOBES, RIGHT_LOBES, lungs_missing

_SUFFIXES = (".nii.gz", ".nii")
_MASKS = "segmentations"


def _recognises(source: Path) -> bool:
    return any(_image(folder) for folder in _subjects(source))


def _find(search: Search) -> Found:
    without_options(search, "TotalSegmentator's folders")
    pairs, left_out = [], []
    for folder in _subjects(search.source):
        image = _image(folder)
        if image is None:
            left_out.append(LeftOut(folder.name, "no ct.nii.gz"))
            continue
        structures = {
            lobe: path for lobe in (*RIGHT_LOBES, *LEFT_LOBES) if (path := _file(folder, lobe))
        }
        missing = lungs_missing(structures)
        if missing:
            left_out.append(LeftOut(folder.name, f"no mask of {missing} in {_MASKS}"))
            continue
        trachea = _file(folder, "trachea")
        if trachea:
            structures["airways"] = trachea
        pairs.append(Pair(folder.name, image, StructureFiles(folder / _MASKS, structures)))
    return Found(tuple(pairs), tuple(left_out))


def _subjects(source: Path) -> list[Path]:
    """The folders that have masks of organs."""
    return sorted(path.parent for path in source.glob(f"*/{_MASKS}") if path.is_dir())


def _image(folder: Path) -> Path | None:
    return next((p for suffix in _SUFFIXES if (p := folder / f"ct{suffix}").is_file()), None)


def _file(folder: Path, name: str) -> Path | None:
    paths = (folder / _MASKS / f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


LAYOUT = Layout(
    "totalsegmentator", "TotalSegmentator",
    f"a folder a subject with ct.nii.gz and {_MASKS}/lung_upper_lobe_left.nii.gz and the others",
    _recognises, _find,
)  # fmt: skip
