"""COVID-19-CT-Seg (Ma et al. 2020, doi:10.5281/zenodo.3757476): 20 scans with lungs by side.

Lung_and_Infection_Mask numbers infected lung apart and doesn't say its side. The ten radiopaedia
scans are 8-bit pictures of a window, not HU, so that the reader refuses them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pleura.lab.label_map import LabelFile
from pleura.lab.sources.by_name import entries, matched
from pleura.lab.sources.layout import Found, Layout, Search

_IMAGES = "COVID-19-CT-Seg_20cases"
_MASKS = ("Lung_Mask", "Lung_and_Infection_Mask")
_NAME = "covid-19-ct-seg"  # of the layout and of its label scheme


def _recognises(source: Path) -> bool:
    return (source / _IMAGES).is_dir() and any((source / name).is_dir() for name in _MASKS)


def _find(search: Search) -> Found:
    masks = next(search.source / name for name in _MASKS if (search.source / name).is_dir())
    images = entries([search.source / _IMAGES, *search.more_images])
    return matched(images, entries([masks]), partial(LabelFile, scheme=search.labels or _NAME))


LAYOUT = Layout(
    _NAME, "COVID-19-CT-Seg",
    f"{_IMAGES} with images, Lung_Mask (or {_MASKS[1]}) with a mask of each scan's name",
    _recognises, _find,
)  # fmt: skip
