"""A folder of images and one of labels: nnU-Net and Decathlon (imagesTr, labelsTr), and plain ones.

An image may be any format pleura reads, a DICOM folder, or a 2-D TIFF with a PNG mask. What
dataset.json says about labels is obeyed, so that neither a data set that numbers the left lung 1,
nor one of tumours (Decathlon's Task06_Lung) is mistaken for pleura's own numbers.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from pleura.errors import UsageError
from pleura.lab.label_map import LabelFile
from pleura.lab.sources.by_name import entries, matched
from pleura.lab.sources.layout import Found, Layout, Search
from pleura.lab.structures import CHANNEL_OF, structure_of_name
from pleura.labels import CHANNELS, Scheme

_IMAGES = ("imagesTr", "images")
_LABELS = ("labelsTr", "labels", "masks")


def _recognises(source: Path) -> bool:
    # Without mask files it may be a DICOM tree with such a folder.
    return any((source / name).is_dir() and entries([source / name]) for name in _LABELS)


def _lacking(source: Path) -> str:
    images, labels = (
        [name for name in names if (source / name).is_dir()] for names in (_IMAGES, _LABELS)
    )
    if not images:
        return ""
    if labels:
        return f"{images[0]} found, but {labels[0]} beside it holds no label file"
    wanted = "labelsTr" if images[0] == "imagesTr" else "labels or masks"
    return f"{images[0]} found, but no {wanted} beside it"


def _find(search: Search) -> Found:
    source = search.source
    image_dirs = [source / name for name in _IMAGES if (source / name).is_dir()][:1]
    label_dirs = [source / name for name in _LABELS if (source / name).is_dir()][:1]
    images = entries([*image_dirs, *search.more_images], folders=True)
    named = None if search.labels else _named_labels(source / "dataset.json")
    if named is None:
        return matched(images, entries(label_dirs), partial(LabelFile, scheme=search.labels))
    scheme, others = named
    warnings = []
    if others:
        listing = ", ".join(f"{number} '{name}'" for number, name in sorted(others.items()))
        warnings = [f"dataset.json has labels that were taken for background: {listing}."]
    source_of = partial(LabelFile, scheme=scheme, ignored=frozenset(others))
    return matched(images, entries(label_dirs), source_of, warnings)


def _named_labels(path: Path) -> tuple[Scheme, dict[int, str]] | None:
    """The scheme that dataset.json names, and other labels; None without the file or its labels.

    Raises:
        UsageError: damaged, or none of its labels is a lung.
    """
    if not path.is_file():
        return None
    try:
        names = _names_of(json.loads(path.read_text(encoding="utf-8"))["labels"])
    except KeyError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} can't be read ({error}); repair or remove it.") from error
    numbers: dict[str, tuple[int, ...]] = dict.fromkeys((*CHANNELS, "lungs"), ())
    others = {}
    for number, name in names.items():
        structure = structure_of_name(name)
        if structure:
            numbers[CHANNEL_OF[structure]] += (number,)
        elif number:
            others[number] = name
    if not any(numbers[key] for key in ("right", "left", "lungs")):
        listing = ", ".join(others.values()) or "nothing"
        raise UsageError(
            f"{path} names {listing}, but no lung; if the labels are lungs, say their scheme by "
            "--labels."
        )
    return Scheme("dataset.json", **numbers), others


def _names_of(labels: dict[str, Any]) -> dict[int, str]:
    """Number -> name, from Decathlon's {"1": "lung"} or nnU-Net's {"lung": 1}."""
    if all(key.isdecimal() for key in labels):
        return {int(key): str(value) for key, value in labels.items()}
    # nnU-Net's regions are lists of numbers; they overlap and name no number of their own.
    return {value: key for key, value in labels.items() if isinstance(value, int)}


LAYOUT = Layout(
    "images-labels", "images and labels",
    "imagesTr and labelsTr (nnU-Net, Decathlon), images and labels, or images and masks, with "
    "files of equal names",
    _recognises, _find, _lacking,
)  # fmt: skip
