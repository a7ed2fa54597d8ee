"""Voxels without a number (NaN, infinity): air outside the body, a loss inside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pleura.body import BODY_HU, coarse_body, strides
from pleura.read.padding import outside_circle
from pleura.volume import HUArray

_MIDDLE, _LOST_MIDDLE, _TISSUE_RIM = 0.8, 0.05, 0.1  # radius of the frame, shares


def inside_body(hu: HUArray, lost: npt.NDArray[np.bool_]) -> bool:
    """True when lost voxels lie in the body's hull in their slice, or a whole slice is lost.

    Where all that lies outside a circle is lost, it is the field of view, which the body may
    reach; what is lost within it counts as inside.

    Args:
        hu: (z, y, x), air where voxels were lost.
        lost: booleans of the same shape.
    """
    if lost.all(axis=(1, 2)).any():
        return True
    beyond = outside_circle(lost.astype(np.int16), 1, (1.0, 1.0))
    if beyond is not None:
        return bool((lost & ~beyond).any())
    if _cuts_tissue(hu, lost):
        return True
    # A lost block must not shrink the body, so it counts as body when the hull is taken.
    body = coarse_body(np.where(lost, np.int16(0), hu))
    kept = coarse_body(hu)
    if not kept.any():
        kept = body
    left = np.logical_or.accumulate(kept, axis=2)
    right = np.logical_or.accumulate(kept[:, :, ::-1], axis=2)[:, :, ::-1]
    front = np.logical_or.accumulate(kept, axis=1)
    back = np.logical_or.accumulate(kept[:, ::-1], axis=1)[:, ::-1]
    hull = left & right & front & back
    coarse = on_coarse_grid(np.nonzero(lost), hu.shape, hull.shape)
    return bool(hull[coarse].any())


def on_coarse_grid(
    index: tuple[npt.NDArray[np.intp], ...], shape: tuple[int, ...], coarse: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], ...]:
    """Indices (z, y, x) of voxels of a scan -> of their voxels on the grid of `coarse_body`."""
    return tuple(
        np.minimum(i // step, n - 1)
        for i, step, n in zip(index, strides(shape), coarse, strict=True)
    )


def _cuts_tissue(hu: HUArray, lost: npt.NDArray[np.bool_]) -> bool:
    """True when, in a slice, much of the frame's middle is lost and the loss borders on tissue.

    A round field of view loses corners only; a loss that takes half of the body shrinks the hull
    above with it, but ends in tissue.
    """
    _, height, width = hu.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    middle = np.hypot(y, x) < _MIDDLE
    for slice_hu, slice_lost in zip(hu, lost, strict=True):
        if slice_lost[middle].mean() < _LOST_MIDDLE:
            continue
        rim = np.zeros_like(slice_lost)
        rim[1:] |= slice_lost[:-1]
        rim[:-1] |= slice_lost[1:]
        rim[:, 1:] |= slice_lost[:, :-1]
        rim[:, :-1] |= slice_lost[:, 1:]
        rim &= ~slice_lost
        if rim.any() and (slice_hu[rim] > BODY_HU).mean() > _TISSUE_RIM:
            return True
    return False
