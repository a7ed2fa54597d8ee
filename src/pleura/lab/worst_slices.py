"""Keeps a picture of each checked scan's worst slice, of several runs the worst one's."""

from __future__ import annotations

from pleura.lab.held_out import HeldOut, Predicted
from pleura.lab.label_check import Disagreement
from pleura.lab.label_pictures import slice_png
from pleura.lab.whole_scan import grid_of
from pleura.volume import AIR_HU


class WorstSlices:
    """Give it to `held_out.disagreements` as `look`; then `pngs` has (source, name) -> PNG."""

    def __init__(self) -> None:
        self.pngs: dict[tuple[str, str], bytes] = {}
        self._dice: dict[tuple[str, str], float] = {}

    def __call__(self, item: HeldOut, predicted: Predicted, row: Disagreement) -> None:
        key = row.source, row.name
        if row.dice >= self._dice.get(key, 2.0):
            return
        z = row.worst_slice
        grid = grid_of(item.scan, item.member.config.preprocessing)
        hu = grid.forward(item.store.images(item.scan, z, z + 1), padding=AIR_HU)[0]
        self.pngs[key] = slice_png(hu, predicted.found[0, z], predicted.labelled[0, z])
        self._dice[key] = row.dice
