"""Slabs: neighbouring thin slices that the network sees as one, averaged.

Thin slices are noisy and alike; a slab of 2.5 to 3 mm is what most networks were trained on, costs
a third and has less noise. Slabs hold a whole number of slices, so that no slice is split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pleura.resample import FloatArray

_ROUNDING = 1e-3  # of a slice: headers write 1.0 mm as 0.99999 or 1.00001


@dataclass(frozen=True)
class Slabs:
    """How the slices of a canonical volume are grouped, feet first.

    Args:
        slices: of the volume.
        thickness: slices in a slab; the last slab may have fewer.
    """

    slices: int
    thickness: int

    @classmethod
    def of(cls, slices: int, spacing_mm: float, slab_mm: float) -> Slabs:
        """As many slices as fit into `slab_mm`, at least one."""
        thickness = int(slab_mm / spacing_mm + _ROUNDING)
        return cls(slices, min(max(1, thickness), slices))

    def __len__(self) -> int:
        return -(-self.slices // self.thickness)

    def bounds(self, index: int) -> tuple[int, int]:
        """First slice and the one after the last."""
        start = index * self.thickness
        return start, min(start + self.thickness, self.slices)

    def restoring(self, first: int, last: int) -> tuple[FloatArray, slice]:
        """How the slices of slabs `first` to `last` - 1 come from slabs around them.

        Returns:
            Weights (slices, slabs used), linear between the centres of slabs and held beyond the
            outermost ones, and the slabs that they stand for.
        """
        if self.thickness == 1:
            return np.eye(last - first, dtype=np.float32), slice(first, last)
        used = slice(max(0, first - 1), min(len(self), last + 1))
        bounds = np.array([self.bounds(index) for index in range(used.start, used.stop)])
        centres = bounds.mean(axis=1)
        slices = np.arange(self.bounds(first)[0], self.bounds(last - 1)[1]) + 0.5
        weights = np.stack(
            [np.interp(slices, centres, one) for one in np.eye(len(centres))], axis=1
        )
        return weights.astype(np.float32), used
