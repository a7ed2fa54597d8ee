"""How often each value occurs in a scan: what all checks of its units ask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.volume import HUArray

_SAMPLES = 500_000
_INT16 = np.iinfo(np.int16)
_APART = 300  # HU between two peaks, at least
_SMOOTHING = 33  # HU; wider than the steps of scans that were rounded to 16 or 32
_TRIANGLE = np.bartlett(2 * _SMOOTHING + 1)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of every int16 value in a sample of a scan's voxels.

    Args:
        counts: (65536,), the count of value v at v + 32768.
    """

    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, array: HUArray) -> Histogram:
        """Of about 500,000 voxels spread over all planes of (z, y, x)."""
        step = int(array.size / _SAMPLES) | 1  # odd, or rows of 512 would show one column only
        values = np.concatenate([plane.ravel()[::step] for plane in array])
        return cls(np.bincount(values.astype(np.int32) - _INT16.min, minlength=1 << 16))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def count(self, low: float, high: float) -> int:
        """Of the values from `low` on and below `high`."""
        return int(self.counts[self._slice(low, high)].sum())

    def share(self, low: float, high: float) -> float:
        """The same as a share of all; 0 of nothing."""
        return self.count(low, high) / max(1, self.total)

    def values(self, low: float = -np.inf, high: float = np.inf) -> npt.NDArray[np.int64]:
        """The values that occur from `low` on and below `high`, in order."""
        part = self._slice(low, high)
        offset = part.start + int(_INT16.min)
        return np.asarray(np.flatnonzero(self.counts[part]) + offset, dtype=np.int64)

    def at(self, value: int) -> int:
        """The count of one value."""
        return int(self.counts[value - _INT16.min])

    def without(self, values: Iterable[int]) -> Histogram:
        counts = self.counts.copy()
        counts[[value - _INT16.min for value in values]] = 0
        return Histogram(counts)

    def shifted(self, by: int) -> Histogram:
        """Of the values plus `by`; what leaves int16 is dropped."""
        counts = np.zeros_like(self.counts)
        old, new = slice(max(0, -by), counts.size - max(0, by)), slice(max(0, by), None)
        counts[new][: old.stop - old.start] = self.counts[old]
        return Histogram(counts)

    def peak(self, low: float, high: float) -> int:
        """Where the smoothed histogram is highest from `low` on and below `high`."""
        part = self._slice(low, high)
        near = slice(max(0, part.start - _SMOOTHING), part.stop + _SMOOTHING)
        # A triangle, not a box: the peak of rounded values must stay at one of them.
        smooth = np.convolve(self.counts[near], _TRIANGLE, "same")[part.start - near.start :]
        return int(part.start + smooth[: part.stop - part.start].argmax()) + int(_INT16.min)

    def peaks(self) -> tuple[int, int]:
        """The highest peak and the highest one far from it, the lower first."""
        first = self.peak(-np.inf, np.inf)
        sides = [(_INT16.min, first - _APART), (first + _APART, _INT16.max + 1)]
        # The wider one where neither holds any: beside int16's end there is no room.
        second = self.peak(*max(sides, key=lambda side: (self.count(*side), side[1] - side[0])))
        return min(first, second), max(first, second)

    def _slice(self, low: float, high: float) -> slice:
        first, last = (
            int(np.clip(limit, _INT16.min, _INT16.max + 1)) - _INT16.min for limit in (low, high)
        )
        return slice(first, max(first, last))
