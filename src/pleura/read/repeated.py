"""Neighbouring slices that are the same to the voxel: no scanner makes them, copies do."""

from __future__ import annotations

import numpy as np

from pleura.findings import Finding, count_of
from pleura.volume import HUArray

_STRIDE = 8  # of rows and columns that are compared first


def repeated_slices(hu: HUArray) -> tuple[Finding, ...]:
    """A warning when slices of a canonical array (z, y, x) repeat the one below; blank ones may."""
    sample = hu[:, ::_STRIDE, ::_STRIDE]
    alike = np.flatnonzero((sample[1:] == sample[:-1]).all(axis=(1, 2)))
    same = [int(k) for k in alike if hu[k].min() < hu[k].max() and np.array_equal(hu[k], hu[k + 1])]
    if not same:
        return ()
    message = (
        f"{count_of(len(same), 'slice')} of {len(hu)} repeat the one below to the voxel (the first "
        f"is slice {same[0] + 2} from the feet), so lengths and volumes are too large; convert the "
        "scan again."
    )
    return (Finding("repeated_slices", "warn", message),)
