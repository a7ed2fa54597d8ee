"""Finds image and label pairs in the folder layouts that people have.

- pairs: `imagesTr` + `labelsTr` (nnU-Net, Decathlon), `images` + `labels`, `images` + `masks`;
  an image may be any format pleura reads, a DICOM folder, or a 2-D TIFF with a PNG mask;
- LUNA16: `*.mhd` in `subset0` ... `subset9` (or beside), masks in `seg-lungs-LUNA16`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pleura.errors import UsageError
from pleura.lab.masks import suffix_of

IMAGE_FOLDERS = ("imagesTr", "images")
LABEL_FOLDERS = ("labelsTr", "labels", "masks")
LUNA16_MASKS = "seg-lungs-LUNA16"


@dataclass(frozen=True)
class Pair:
    name: str
    image: Path
    labels: Path


def find_pairs(source: Path, more_images: Sequence[Path] = ()) -> tuple[list[Pair], list[str]]:
    """Pairs sorted by name, and sentences about what was left out.

    Args:
        source: the data set's folder.
        more_images: further folders whose entries (files or DICOM folders) are images by name.

    Raises:
        UsageError: no known layout there, no pair in it, or `more_images` that aren't there.
    """
    for folder in more_images:
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}; check the path of the further images.")
    if (source / LUNA16_MASKS).is_dir():
        # The download's archives may lie beside what was unpacked from them.
        subsets = [path for path in sorted(source.glob("subset*")) if path.is_dir()]
        labels = _entries([source / LUNA16_MASKS], folders=False)
        images = _entries([source, *subsets], folders=False) | _entries(more_images, folders=True)
    else:
        image_dirs = [source / name for name in IMAGE_FOLDERS if (source / name).is_dir()]
        label_dirs = [source / name for name in LABEL_FOLDERS if (source / name).is_dir()]
        if not label_dirs:
            raise UsageError(
                f"{source} has no known layout; it needs imagesTr and labelsTr, images and labels "
                f"(or masks), or LUNA16's subsets with {LUNA16_MASKS}."
            )
        labels = _entries(label_dirs[:1], folders=False)
        images = _entries([*image_dirs[:1], *more_images], folders=True)
    for name in set(labels) - set(images):  # nnU-Net numbers an image's channels, not its labels
        if f"{name}_0000" in images:
            images[name] = images.pop(f"{name}_0000")
    pairs = [Pair(name, images[name], labels[name]) for name in sorted(labels) if name in images]
    left_out = [f"{name}: labels without an image" for name in sorted(set(labels) - set(images))]
    left_out += [f"{name}: an image without labels" for name in sorted(set(images) - set(labels))]
    if not pairs:
        raise UsageError(f"{source} has no image whose name is that of a label file.")
    return pairs, left_out


def _entries(places: Sequence[Path], folders: bool) -> dict[str, Path]:
    """Name -> path of the scans lying in `places`; `folders` admits DICOM folders."""
    found = [path for place in places for path in sorted(place.iterdir())]
    return {
        path.name.removesuffix(suffix_of(path)): path
        for path in found
        if (path.is_dir() and folders) or suffix_of(path)
    }
