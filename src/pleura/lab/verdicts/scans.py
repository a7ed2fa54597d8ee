"""A scan and its mask, turned and cut for the benchmark."""

from __future__ import annotations

import numpy as np

from pleura.preprocess import Orientation
from pleura.volume import Geometry, LabelArray, Volume

_PIXEL_MM = 3.0  # in plane; what the verdict looks at

Scan = tuple[Volume, LabelArray]  # and labels of its shape (z, y, x)


def canonical(volume: Volume, labels: LabelArray) -> Scan:
    """Both in canonical order (z to the head, y back, x to the patient's left)."""
    orientation = Orientation.of(volume.geometry)
    hu, turned = (np.ascontiguousarray(orientation.apply(a)) for a in (volume.array, labels))
    grid = orientation.geometry(volume.geometry)
    return Volume(hu.astype(np.int16, copy=False), grid), turned.astype(np.uint8, copy=False)


def thinned(volume: Volume, labels: LabelArray) -> Scan:
    """Every n-th row and column, so that corrupting costs little."""
    _, dy, dx = volume.geometry.spacing_zyx_mm
    step = max(1, round(_PIXEL_MM / max(dy, dx)))
    place = (slice(None), slice(step // 2, None, step), slice(step // 2, None, step))
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += affine[:3, :2].sum(axis=1) * (step // 2)
    affine[:3, :2] *= step
    return _on(volume, place, affine, labels)


def crop(volume: Volume, labels: LabelArray, first: int, count: int) -> Scan:
    """Some slices of a canonical scan."""
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 2] * first
    return _on(volume, (slice(first, first + count),), affine, labels)


def _on(volume: Volume, place: tuple[slice, ...], affine: np.ndarray, labels: LabelArray) -> Scan:
    hu = np.ascontiguousarray(volume.array[place])
    return Volume(hu, Geometry(hu.shape, affine)), np.ascontiguousarray(labels[place])
