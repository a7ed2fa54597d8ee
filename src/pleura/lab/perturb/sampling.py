"""How densely a scan is sampled: thickness, gaps, pixels, slices that got lost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pleura.lab.perturb.base import (
    AnyArray,
    FloatArray,
    Perturbed,
    as_scanned,
    by_majority,
    regridded,
    same_grid,
)
from pleura.resample import apply as resampled
from pleura.resample import axis_weights
from pleura.volume import Volume

_ROUNDING = 1e-3  # headers write 2.5 mm as 2.49999 or 2.50001
_SLICES = 16  # averaged in plane at once


def slice_thickness(volume: Volume, thickness_mm: float, _: np.random.Generator) -> Perturbed:
    """Slices averaged along z to this thickness, without gaps; thicker ones stay as they are.

    What doesn't fill a last slice at the head is dropped.
    """
    slices, height, width = volume.array.shape
    factor = thickness_mm / volume.geometry.spacing_zyx_mm[0]
    if factor <= 1 + _ROUNDING:
        return same_grid(volume, volume.array)
    n = _outputs(slices, factor)
    weights = axis_weights(slices, 0, factor, n)

    def averaged(values: AnyArray) -> FloatArray:
        flat = np.asarray(values, dtype=np.float32).reshape(slices, height * width)
        return (weights @ flat).reshape(n, height, width)

    nearest = _nearest(weights)

    def carry(mask: AnyArray) -> AnyArray:
        return by_majority(mask, averaged, mask[nearest])

    hu = as_scanned(averaged(volume.array), volume.array[nearest])
    affine = _stretched(volume.geometry.affine, (factor, 1.0, 1.0))
    return regridded(hu, affine, carry)


def matrix(volume: Volume, pixels: float, _: np.random.Generator) -> Perturbed:
    """Pixels averaged so that the longer side has this many; fewer stay as they are."""
    _, height, width = volume.array.shape
    factor = max(height, width) / pixels
    if factor <= 1:
        return same_grid(volume, volume.array)
    rows, columns = (axis_weights(n, 0, factor, _outputs(n, factor)) for n in (height, width))

    def averaged(values: AnyArray) -> FloatArray:
        parts = [values[z : z + _SLICES] for z in range(0, len(values), _SLICES)]
        return np.concatenate([resampled(part, rows, columns) for part in parts])

    def nearest(values: AnyArray) -> AnyArray:
        return values[:, _nearest(rows)][:, :, _nearest(columns)]

    def carry(mask: AnyArray) -> AnyArray:
        return by_majority(mask, averaged, nearest(mask))

    hu = as_scanned(averaged(volume.array), nearest(volume.array))
    affine = _stretched(volume.geometry.affine, (1.0, factor, factor))
    return regridded(hu, affine, carry)


def gap(volume: Volume, every: float, _: np.random.Generator) -> Perturbed:
    """Only every n-th slice, as thin as it was, with the true distance in the header."""
    n = int(every)
    affine = volume.geometry.affine.copy()
    affine[:3, 2] *= n
    return regridded(volume.array[::n], affine, lambda mask: mask[::n])


def missing_block(volume: Volume, slices: float, rng: np.random.Generator) -> Perturbed:
    """Adjacent slices lost from the middle half, and not in the header."""
    total = len(volume.array)
    lost = min(int(slices), total - 1)
    # The place is drawn before the number is looked at, so that a larger loss holds a smaller one.
    middle = round((0.25 + 0.5 * rng.random()) * total)
    first = min(max(0, middle - lost // 2), total - lost)
    return _without(volume, np.r_[0:first, first + lost : total])


def missing_scattered(volume: Volume, percent: float, rng: np.random.Generator) -> Perturbed:
    """Slices lost at random places, and not in the header."""
    total = len(volume.array)
    lost = min(round(total * percent / 100), total - 1)
    return _without(volume, np.sort(rng.permutation(total)[lost:]))


def _without(volume: Volume, kept: npt.NDArray[np.intp]) -> Perturbed:
    """Some slices, with the spacing of all: converters write the distance of the first two."""
    return regridded(volume.array[kept], volume.geometry.affine, lambda mask: mask[kept])


def _outputs(inputs: int, factor: float) -> int:
    """As many whole outputs as fit, at least one."""
    return max(1, int(inputs / factor + _ROUNDING))


def _nearest(weights: FloatArray) -> npt.NDArray[np.intp]:
    """The input that each output mostly looks at."""
    return np.asarray(weights.argmax(axis=1))


def _stretched(
    affine: npt.NDArray[np.float64], factors_zyx: tuple[float, float, float]
) -> npt.NDArray[np.float64]:
    """The affine of voxels that are longer by these factors and begin at the same corner."""
    new = affine.copy()
    for column, factor in zip((2, 1, 0), factors_zyx, strict=True):
        new[:3, 3] += affine[:3, column] * (factor - 1) / 2
        new[:3, column] *= factor
    return new
