"""Finds scans and their labels in the folder layouts that people have, one file a layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pleura.errors import UsageError
from pleura.lab.sources import (
    covid19,
    dicom,
    luna16,
    pseudo_labels,
    totalsegmentator,
    two_folders,
)
from pleura.lab.sources.layout import Found, Layout, LeftOut, Pair, Search

__all__ = ["LAYOUTS", "Found", "Layout", "LeftOut", "Pair", "Search", "find_pairs"]

# In the order in which a folder is tried: the most particular first, and DICOM, for which every
# file may have to be looked at, last.
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        module.LAYOUT.name: module.LAYOUT
        for module in (luna16, covid19, totalsegmentator, pseudo_labels, two_folders, dicom)
    }
)


def find_pairs(search: Search, layout: str | None = None) -> tuple[Layout, Found]:
    """The folder's layout (`layout` forces one) and what it holds; pairs sorted by name.

    Raises:
        UsageError: no such folder or layout, or no pair in it.
    """
    for folder in (search.source, *search.more_images):
        if folder.is_file():
            raise UsageError(f"{folder} is a file; give its data set's folder.")
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}; check its path.")
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"There is no layout '{layout}'; {_shapes()}.")
    if layout is not None:
        known = LAYOUTS[layout]
        if not known.recognises(search.source):
            _refuse_half(search, [known])
            raise UsageError(f"{search.source} is not {known.title}, which is {known.shape}.")
    else:
        recognised = (known for known in LAYOUTS.values() if known.recognises(search.source))
        first = next(recognised, None)
        if first is None:
            _refuse_half(search, LAYOUTS.values())
            raise UsageError(f"{search.source} has no known layout; {_shapes()}.")
        known = first
    found = known.find(search)
    if not found.pairs:
        reasons = "".join(f"; {reason}" for reason in found.left_out[:1])
        raise UsageError(
            f"{search.source}, read as {known.title}, has no scan with labels{reasons}."
        )
    return known, found


def _refuse_half(search: Search, layouts: Iterable[Layout]) -> None:
    """Say what a folder lacks that is half of a layout (UsageError)."""
    for lacking in (known.lacking(search.source) for known in layouts):
        if lacking:
            raise UsageError(f"{search.source} is incomplete: {lacking}; add the labels.")


def _shapes() -> str:
    """All layouts in one sentence's part."""
    return "known are " + "; ".join(f"{known.name}: {known.shape}" for known in LAYOUTS.values())
