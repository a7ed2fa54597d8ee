"""The field of view: what of the patient the scan shows."""

from __future__ import annotations

import numpy as np

from pleura.lab.perturb.base import AnyArray, Perturbed, regridded
from pleura.volume import Volume

# What scanners fill in outside a round field of view, beside -1024 and -3024.
PADDING_HU = -2000


def crop_top(volume: Volume, percent: float, _: np.random.Generator) -> Perturbed:
    """Slices cut off at the head, in percent of all."""
    slices = len(volume.array)
    return _cut(volume, (slice(0, slices - _part(slices, percent)), slice(None)))


def crop_bottom(volume: Volume, percent: float, _: np.random.Generator) -> Perturbed:
    """Slices cut off at the feet, in percent of all."""
    slices = len(volume.array)
    return _cut(volume, (slice(_part(slices, percent), slices), slice(None)))


def crop_side(volume: Volume, percent: float, _: np.random.Generator) -> Perturbed:
    """Columns cut off at the patient's left, in percent of the frame."""
    width = volume.array.shape[2]
    return _cut(volume, (slice(None), slice(0, width - _part(width, percent))))


def round_field(volume: Volume, percent: float, _: np.random.Generator) -> Perturbed:
    """A round field of view, narrower than the frame by this much; -2000 HU outside of it.

    A mask ends at its edge, too.
    """
    _, height, width = volume.array.shape
    y_mm, x_mm = volume.geometry.spacing_zyx_mm[1:]
    y = (np.arange(height) - (height - 1) / 2)[:, None] * y_mm
    x = (np.arange(width) - (width - 1) / 2)[None, :] * x_mm
    radius = min(height * y_mm, width * x_mm) / 2 * (1 - percent / 100)
    outside = np.hypot(y, x) > radius
    hu = volume.array.copy()
    hu[:, outside] = PADDING_HU

    def carry(mask: AnyArray) -> AnyArray:
        seen = mask.copy()
        seen[:, outside] = 0
        return seen

    return regridded(hu, volume.geometry.affine, carry)


def _part(n: int, percent: float) -> int:
    return min(n - 1, round(n * percent / 100))


def _cut(volume: Volume, kept: tuple[slice, slice]) -> Perturbed:
    """Slices and columns that are kept; the rest of the scan stays where it was in space."""
    along_z, along_x = kept
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (along_z.start or 0) + affine[:3, 0] * (along_x.start or 0)
    return regridded(
        volume.array[along_z, :, along_x], affine, lambda mask: mask[along_z, :, along_x]
    )
