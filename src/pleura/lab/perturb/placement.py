"""How the patient lies in the frame: the voxels move, the header doesn't know."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pleura.lab.perturb.base import (
    AnyArray,
    FloatArray,
    Perturbed,
    by_majority,
    regridded,
    to_int16,
)
from pleura.volume import AIR_HU, Volume

FLIPS = ("left-right", "front-back", "head-feet")
_FLIPPED_AXIS = (2, 1, 0)


def shift(volume: Volume, mm: float, _: np.random.Generator) -> Perturbed:
    """Moved to the patient's left, by whole pixels; what leaves the frame is lost, air follows."""
    pixels = min(round(mm / volume.geometry.spacing_zyx_mm[2]), volume.array.shape[2])

    def moved(array: AnyArray, filling: int) -> AnyArray:
        out = np.full_like(array, filling)
        out[:, :, pixels:] = array[:, :, : array.shape[2] - pixels]
        return out

    affine = volume.geometry.affine
    return regridded(moved(volume.array, AIR_HU), affine, lambda mask: moved(mask, 0))


def flip(volume: Volume, which: float, _: np.random.Generator) -> Perturbed:
    """Mirrored: 1 left-right, 2 front-back, 3 head-feet. Labels travel with the anatomy."""
    mirrored: Callable[[AnyArray], AnyArray] = partial(np.flip, axis=_FLIPPED_AXIS[int(which) - 1])
    return regridded(mirrored(volume.array), volume.geometry.affine, mirrored)


def rotation(volume: Volume, degrees: float, _: np.random.Generator) -> Perturbed:
    """Turned in plane about the middle of the frame: the back to the left."""
    return _turned(volume, degrees, fixed=0)


def tilt_sideways(volume: Volume, degrees: float, _: np.random.Generator) -> Perturbed:
    """Turned in the coronal plane about the middle of the frame: the head to the left."""
    return _turned(volume, degrees, fixed=1)


def tilt_forwards(volume: Volume, degrees: float, _: np.random.Generator) -> Perturbed:
    """Turned in the sagittal plane about the middle of the frame: the head to the front."""
    return _turned(volume, -degrees, fixed=2)


def _turned(volume: Volume, degrees: float, fixed: int) -> Perturbed:
    """Turned in space about one axis, plane by plane: HU linear, masks likewise."""
    from scipy.ndimage import affine_transform  # type: ignore[import-untyped,unused-ignore]

    spacing = np.delete(np.array(volume.geometry.spacing_zyx_mm), fixed)
    middle = (np.delete(np.array(volume.array.shape), fixed) - 1) / 2
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    backwards = np.array([[cos, sin], [-sin, cos]]) * spacing[None, :] / spacing[:, None]
    offset = middle - backwards @ middle

    def turned(array: AnyArray, order: int, filling: int) -> FloatArray:
        out = np.empty(array.shape, dtype=np.float32)
        for before, after in zip(
            np.moveaxis(array, fixed, 0), np.moveaxis(out, fixed, 0), strict=True
        ):
            after[:] = filling
            if (before != filling).any():  # a mask has many planes without
                affine_transform(
                    before.astype(np.float32), backwards, offset, order=order, output=after,
                    mode="constant", cval=filling, prefilter=False,
                )  # fmt: skip
        return out

    def carry(mask: AnyArray) -> AnyArray:
        nearest = turned(mask, 0, 0).astype(mask.dtype)
        return by_majority(mask, lambda label: turned(label, 1, 0), nearest)

    hu = to_int16(turned(volume.array, 1, AIR_HU))
    return regridded(hu, volume.geometry.affine, carry)
