"""Probabilities on the network's grid -> labels, or probabilities, on the scan's own grid.

Probabilities, not labels, are interpolated, along all three axes, and meet the threshold on the
scan's grid. Only the box around the lungs is touched, some slabs at a time, on several threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pleura.labels import AIRWAY_LABELS, AIRWAYS, LEFT, MERGED, MERGED_LABELS, PLEURA_LABELS
from pleura.postprocess import (
    BoolArray,
    CleanOptions,
    Probabilities,
    box_around,
    occupied,
    to_labels,
)
from pleura.preprocess import Prepared
from pleura.resample import FloatArray, apply, used_inputs
from pleura.volume import HUArray, LabelArray, Mask, ProbabilityMap, Volume

_BLOCK = 8  # slabs restored together
_MOST_THREADS = 4  # each holds a block, some 80 MB of a large scan


@dataclass(frozen=True)
class RestoreOptions:
    """What labels are wanted.

    Args:
        airways: label trachea and main bronchi too.
        merge: one label 1 for both lungs.
        threads: that share the work.
    """

    airways: bool = False
    merge: bool = False
    threads: int = 1


def restore_mask(
    volume: Volume, prepared: Prepared, probabilities: Probabilities, limits: CleanOptions,
    options: RestoreOptions,
) -> Mask:  # fmt: skip
    """The mask of a scan, uint8 (z, y, x) in its own order.

    Args:
        volume, prepared: the scan, and how it lies on the network's grid.
        probabilities: (channels, slabs, h, w), 0 to 255, as `clean` returns them.
        limits: thresholds, channels and edges.
        options: which labels are wanted, and threads.
    """
    merged = options.merge or not limits.has_sides

    def label(fine: FloatArray, hu: HUArray) -> LabelArray:
        labels = to_labels(fine, hu, limits, options.airways)
        if merged:
            labels[labels == LEFT] = MERGED
        return labels

    box = occupied(probabilities, limits)
    array = _restored(prepared, probabilities, box, label, options.threads)
    names = dict(MERGED_LABELS if merged else PLEURA_LABELS)
    if options.airways:
        names[AIRWAYS] = AIRWAY_LABELS[AIRWAYS]
    return Mask(array, volume.geometry, names, volume.header)


def restore_probabilities(
    volume: Volume, prepared: Prepared, probabilities: Probabilities, limits: CleanOptions,
    threads: int = 1,
) -> ProbabilityMap:  # fmt: skip
    """The probability of either lung on a scan's grid, uint8 (z, y, x) in its own order.

    Args:
        volume, prepared, limits: as `restore_mask` takes them; edges and thresholds don't count.
        probabilities: (channels, slabs, h, w), 0 to 255, as `infer` returns them.
        threads: that share the work.
    """
    lungs = probabilities[: 2 if limits.has_sides else 1]

    def add(fine: FloatArray, _: HUArray) -> LabelArray:
        total: FloatArray = fine.sum(axis=0)  # sides add up, as in the mask
        np.rint(np.minimum(total, 255, out=total), out=total)
        return total.astype(np.uint8)

    box = _not_zero(lungs)
    array = _restored(prepared, lungs, box, add, threads)
    return ProbabilityMap(array, volume.geometry, volume.header)


def _restored(
    prepared: Prepared, probabilities: Probabilities, box: tuple[slice, slice, slice],
    finish: Callable[[FloatArray, HUArray], LabelArray], threads: int,
) -> LabelArray:  # fmt: skip
    """What `finish` makes of probabilities and HU on the scan's grid; 0 outside the box.

    Args:
        prepared: how the scan lies on the network's grid.
        probabilities: (channels, slabs, h, w), 0 to 255.
        box: slabs, rows and columns that count.
        finish: (channels, n, y, x) float32 and HU (n, y, x) -> (n, y, x).
        threads: that share the work.

    Returns:
        uint8 (z, y, x) in the scan's own order.
    """
    array = np.zeros(prepared.orientation.undo(prepared.hu).shape, dtype=np.uint8)
    canonical: LabelArray = prepared.orientation.apply(array)  # type: ignore[assignment]
    slabs, rows, columns = box
    grid = prepared.grid.part(rows, columns)
    y, x = used_inputs(grid.rows_back.T), used_inputs(grid.columns_back.T)

    def restore(block: range) -> None:
        weights, used = prepared.slabs.restoring(block.start, block.stop)
        values = probabilities[:, used, rows, columns]
        fine = apply(values, grid.rows_back[y], grid.columns_back[x])
        if prepared.slabs.thickness > 1:
            shape = (len(fine), len(weights), *fine.shape[2:])
            fine = np.matmul(weights, fine.reshape(*fine.shape[:2], -1)).reshape(shape)
        first, last = prepared.slabs.bounds(block.start)[0], prepared.slabs.bounds(block[-1])[1]
        canonical[first:last, y, x] = finish(fine, prepared.hu[first:last, y, x])

    with ThreadPoolExecutor(min(threads, _MOST_THREADS)) as pool:
        list(pool.map(restore, _blocks(slabs)))
    return array


def _not_zero(probabilities: Probabilities) -> tuple[slice, slice, slice]:
    """The box (slabs, rows, columns) of all that isn't 0, and the slabs that fade it out."""
    some: BoolArray = np.any(probabilities, axis=0)
    if not some.any():
        return slice(0, 0), slice(0, 0), slice(0, 0)
    slabs, rows, columns = box_around(some)
    return slice(max(0, slabs.start - 1), min(slabs.stop + 1, len(some))), rows, columns


def _blocks(slabs: slice) -> list[range]:
    """Some slabs at a time."""
    starts = range(slabs.start, slabs.stop, _BLOCK)
    return [range(first, min(first + _BLOCK, slabs.stop)) for first in starts]
