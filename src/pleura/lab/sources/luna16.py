"""LUNA16: *.mhd in subset0 ... subset9 (or beside), masks in seg-lungs-LUNA16."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pleura.lab.label_map import LabelFile
from pleura.lab.sources.by_name import entries, matched
from pleura.lab.sources.layout import Found, Layout, Search

_MASKS = "seg-lungs-LUNA16"


def _recognises(source: Path) -> bool:
    return (source / _MASKS).is_dir()


def _find(search: Search) -> Found:
    source = search.source
    # The download's archives may lie beside what was unpacked from them.
    subsets = [path for path in sorted(source.glob("subset*")) if path.is_dir()]
    images = entries([source, *subsets])
    for name, paths in entries(search.more_images, folders=True).items():
        images.setdefault(name, []).extend(paths)
    labels = entries([source / _MASKS])
    return matched(images, labels, partial(LabelFile, scheme=search.labels or "luna16"))


LAYOUT = Layout(
    "luna16", "LUNA16",
    f"subset0 ... subset9 with .mhd and .raw, {_MASKS} with a mask of each scan's name",
    _recognises, _find,
)  # fmt: skip
