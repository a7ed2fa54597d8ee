"""Values that no tissue has: metal, very dense contrast."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pleura.body import strides
from pleura.findings import Finding, count_of
from pleura.read.lost_voxels import on_coarse_grid
from pleura.volume import HUArray

EXTREME_HU = 3071  # the most that 12 bits hold; the densest bone stays below
_LEAST_VOXELS, _LEAST_ML = 10, 0.05


def extreme_values(
    hu: HUArray, body: npt.NDArray[np.bool_], voxel_ml: float
) -> tuple[Finding, ...]:
    """A note on the voxels in the body from 3071 HU on, when they are more than a few.

    Args:
        hu: (z, y, x) in canonical order.
        body: of `body.coarse_body`.
        voxel_ml: volume of a voxel.
    """
    counts = np.zeros(len(hu), dtype=int)
    for z, plane in enumerate(hu):
        if plane.max() >= EXTREME_HU:
            y, x = np.divmod(np.flatnonzero(plane >= EXTREME_HU), plane.shape[1])
            place = on_coarse_grid((np.full_like(y, z), y, x), hu.shape, body.shape)
            counts[z] = np.count_nonzero(body[place])
    count = int(counts.sum())
    if count < _LEAST_VOXELS or count * voxel_ml < _LEAST_ML:
        return ()
    slices = np.flatnonzero(counts)
    first, last = int(slices[0]) + 1, int(slices[-1]) + 1
    span = f"slice {first}" if first == last else f"{count_of(len(slices), 'slice')}"
    where = f"{span} of {len(hu)}" + ("" if first == last else f", from {first} to {last}")
    share = 100 * count / (np.count_nonzero(body) * math.prod(strides(hu.shape)))
    return (
        Finding(
            "extreme_values",
            "note",
            f"{share:.2g} % of the body reaches {EXTREME_HU} HU, as metal or very dense contrast "
            f"does ({count * voxel_ml:.1f} ml; {where}, counted from the feet); streaks may "
            "disturb the mask there.",
        ),
    )
