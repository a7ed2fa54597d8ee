"""Cleaned probabilities on the network's grid -> labels on the scan's own grid.

Probabilities, not labels, are interpolated, along all three axes, and meet the threshold on the
scan's grid. Only the box around the lungs is touched, some slabs at a time, on several threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pleura.labels import AIRWAY_LABELS, AIRWAYS, LEFT, MERGED, MERGED_LABELS, PLEURA_LABELS
from pleura.postprocess import CleanOptions, Probabilities, occupied, to_labels
from pleura.preprocess import Prepared
from pleura.resample import apply, used_inputs
from pleura.volume import LabelArray, Mask, Volume

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
    array = np.zeros(volume.array.shape, dtype=np.uint8)
    canonical: LabelArray = prepared.orientation.apply(array)  # type: ignore[assignment]
    slabs, rows, columns = occupied(probabilities, limits)
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
        labels = to_labels(fine, prepared.hu[first:last, y, x], limits, options.airways)
        if merged:
            labels[labels == LEFT] = MERGED
        canonical[first:last, y, x] = labels

    with ThreadPoolExecutor(min(options.threads, _MOST_THREADS)) as pool:
        list(pool.map(restore, _blocks(slabs)))
    names = dict(MERGED_LABELS if merged else PLEURA_LABELS)
    if options.airways:
        names[AIRWAYS] = AIRWAY_LABELS[AIRWAYS]
    return Mask(array, volume.geometry, names, volume.header)


def _blocks(slabs: slice) -> list[range]:
    """Some slabs at a time."""
    starts = range(slabs.start, slabs.stop, _BLOCK)
    return [range(first, min(first + _BLOCK, slabs.stop)) for first in starts]
