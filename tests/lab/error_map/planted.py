"""A phantom's reference, and masks with an error planted in a known place."""

from __future__ import annotations

import numpy as np

from pleura.lab.error_map.comparison import Comparison
from pleura.labels import LEFT, RIGHT
from tests.phantom import chest

SHAPE, SPACING = (40, 96, 96), (7.0, 4.0, 4.0)
VOXEL_ML = 7 * 4 * 4 / 1000
_PHANTOM = chest(SHAPE, SPACING)
Z, Y, X = np.meshgrid(
    *[(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(SHAPE, SPACING, strict=True)],
    indexing="ij",
)


def reference() -> np.ndarray:
    """The phantom's labels, with main bronchi from the trachea to both lungs."""
    labels = _PHANTOM.labels.copy()
    bronchi = (np.abs(Z - 24) < 11) & (np.abs(Y + 5) < 8) & (np.abs(X) > 8) & (labels == 0)
    middle = (np.abs(X) < 60) & (np.abs(Z - 24) < 11)
    labels[bronchi & middle] = 3
    return labels


def hu() -> np.ndarray:
    return _PHANTOM.hu.copy()


def geometry():
    return _PHANTOM.geometry


def ball(z: float, y: float, x: float, radius: float) -> np.ndarray:
    """In mm from the middle of the grid."""
    return (Z - z) ** 2 + (Y - y) ** 2 + (X - x) ** 2 <= radius**2


def shifted(mask: np.ndarray, axis: int, by: int) -> np.ndarray:
    """Moved by so many voxels; nothing comes in again on the other side."""
    out = np.roll(mask, by, axis)
    edge = [slice(None)] * 3
    edge[axis] = slice(None, by) if by > 0 else slice(by, None)
    out[tuple(edge)] = False
    return out


def compared(
    add: np.ndarray | None = None,
    remove: np.ndarray | None = None,
    density: np.ndarray | None = None,
) -> Comparison:
    """The reference against itself, with false positives and false negatives."""
    labels = reference()
    lungs = (labels == RIGHT) | (labels == LEFT)
    found = lungs.copy()
    if add is not None:
        found |= add
    if remove is not None:
        found &= ~remove
    values = hu() if density is None else density
    return Comparison(values, found, labels, SPACING, VOXEL_ML)
