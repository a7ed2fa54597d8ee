"""Scans that reach us wrong: what people and converters do to intensities, headers and slices.

Each way takes a good scan and returns an image in memory as `pleura.read` takes it, so that the
reader's own checks count. Beside them stand the perturbations of `lab.perturb`, which are of the
physical kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.lab.ways import registering
from pleura.volume import Geometry, Volume, nibabel_image

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Miswritten:
    """A scan as it would lie in a file.

    Args:
        array: stored numbers, canonical (z, y, x).
        geometry: what the header says.
        expected: a good mask of the scan, moved as its voxels were.
    """

    array: Array
    geometry: Geometry
    expected: Array

    def image(self) -> Any:
        """A nibabel image in memory, for `pleura.read`."""
        return nibabel_image(self.array, self.geometry)


Way = Callable[[Volume, Array, np.random.Generator], Miswritten]
MISWRITTEN: dict[str, Way] = {}
way = registering(MISWRITTEN)


def _numbers(name: str, change: Callable[[Array], Array]) -> None:
    """A way that changes stored numbers only."""

    def make(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
        return Miswritten(change(volume.array), volume.geometry, mask)

    MISWRITTEN[name] = make


def _voxels(name: str, change: Callable[[Array], Array]) -> None:
    """A way that moves voxels under a header that stays."""

    def make(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
        array = np.ascontiguousarray(change(volume.array))
        affine = volume.geometry.affine
        moved = np.ascontiguousarray(change(mask))
        return Miswritten(array, Geometry(array.shape, affine), moved)

    MISWRITTEN[name] = make


def _windowed(hu: Array, low: float, high: float) -> Array:
    scaled: Array = np.clip((hu.astype(np.float32) - low) / (high - low), 0, 1)
    return scaled


_numbers("rescale lost (+1024)", lambda hu: np.maximum(hu, -1024) + np.int16(1024))
_numbers("half scale", lambda hu: hu // 2)
_numbers("inverted", lambda hu: -hu)
_numbers("8-bit picture", lambda hu: (255 * _windowed(hu, -1350, 150)).astype(np.uint8))
_numbers("soft tissue window", lambda hu: np.clip(hu, -160, 240))
_numbers("normalised to 0..1", lambda hu: _windowed(hu, -1024, 1024))
_numbers("z-scores", lambda hu: ((hu - hu.mean()) / hu.std()).astype(np.float32))
_numbers("shifted by 300 HU", lambda hu: hu + np.int16(300))
_voxels("left and right exchanged", lambda a: a[:, :, ::-1])
_voxels("front and back exchanged", lambda a: a[:, ::-1])
_voxels("turned over (prone as supine)", lambda a: a[:, ::-1, ::-1])
_voxels("head and feet exchanged", lambda a: a[::-1])
_voxels("axes exchanged", lambda a: a.transpose(1, 0, 2))
_voxels("in-plane axes exchanged", lambda a: a.transpose(0, 2, 1))
_voxels("every two slices exchanged", lambda a: a[np.arange(len(a) // 2 * 2) ^ 1])
_voxels("lowest slices alone", lambda a: a[: max(12, len(a) // 12)])


@way("NaN in the body")
def nan_in_body(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
    array = volume.array.astype(np.float32)
    z, y, x = (n // 2 for n in array.shape)
    array[z, y - 5 : y + 5, x - 5 : x + 5] = np.nan
    return Miswritten(array, volume.geometry, mask)


@way("slices in random order")
def slices_shuffled(volume: Volume, mask: Array, rng: np.random.Generator) -> Miswritten:
    order = rng.permutation(len(mask))
    return Miswritten(volume.array[order], volume.geometry, mask[order])


@way("a tenth of the slices in random order")
def some_shuffled(volume: Volume, mask: Array, rng: np.random.Generator) -> Miswritten:
    order = np.arange(len(mask))
    chosen = np.sort(rng.choice(order, max(3, len(order) // 10), replace=False))
    order[chosen] = np.roll(chosen, 1)
    return Miswritten(volume.array[order], volume.geometry, mask[order])


@way("spacing lost (1 mm everywhere)")
def spacing_lost(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
    return Miswritten(volume.array, Geometry.from_parts(mask.shape), mask)


@way("slice spacing three times as large")
def slice_spacing_wrong(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
    affine = volume.geometry.affine.copy()
    affine[:3, 2] *= 3
    return Miswritten(volume.array, Geometry(volume.geometry.shape_zyx, affine), mask)


@way("slice spacing a third")
def slice_spacing_small(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
    affine = volume.geometry.affine.copy()
    affine[:3, 2] /= 3
    return Miswritten(volume.array, Geometry(volume.geometry.shape_zyx, affine), mask)


@way("upper half alone")
def upper_half(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
    half = len(mask) // 2
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 2] * half
    return Miswritten(volume.array[half:], Geometry(mask[half:].shape, affine), mask[half:])


@way("scan repeated below itself")
def repeated(volume: Volume, mask: Array, _: np.random.Generator) -> Miswritten:
    twice = np.concatenate([volume.array, volume.array])
    geometry = Geometry(twice.shape, volume.geometry.affine)
    return Miswritten(twice, geometry, np.concatenate([mask, mask]))
