"""A stored scan as inference would see it: its network grid, its batches, its known channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pleura.lab.store import Scan, Store
from pleura.labels import CHANNELS
from pleura.model_spec import Preprocessing
from pleura.preprocess import NetworkGrid, normalise


@dataclass(frozen=True, eq=False)
class WholeScan:
    """A scan as inference would see it (box, network grid, area averages), for validation."""

    store: Store
    scan: Scan
    rules: Preprocessing

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Network input (n <= size, 1, h, w) and targets (n, c, h, w), feet first.

        One batch in memory at a time: as float32, a long scan takes gigabytes.
        """
        grid = grid_of(self.scan, self.rules)
        for start in range(0, self.scan.shape[0], size):
            stop = min(start + size, self.scan.shape[0])
            images = normalise(grid, self.store.images(self.scan, start, stop), self.rules)
            targets = grid.forward(self.store.targets(self.scan, start, stop)) / np.float32(255)
            yield torch.from_numpy(images[:, None]), torch.from_numpy(targets)


def grid_of(scan: Scan, rules: Preprocessing) -> NetworkGrid:
    """The grid that inference would lay over the scan, from the store's pixels."""
    shape, spacing = (scan.shape[1], scan.shape[2]), scan.spacing_mm[1:]
    return NetworkGrid.fit(scan.box(rules.crop), shape, spacing, rules.long_side, rules.multiple)


def known_channels(scan: Scan) -> Tensor:
    """(c,) booleans: which channels the scan's labels name."""
    return torch.tensor([name in scan.channels for name in CHANNELS])
