"""Textures that are real: soft tissue of the scan itself, or lesions of other scans.

A lesion needs the noise of the scan that it is painted into. Its muscle has it, so its fine
structure is carried to where the lesion lies, in pieces large enough to keep the grain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pleura.lab.disease.fields import Field, Region, blurred

_MUSCLE_HU = (-40.0, 140.0)
_FINE_MM = 6.0  # what is coarser is anatomy rather than texture
_LEAST_TISSUE = 400  # voxels
_PIECES = 12
_SMALLEST_LESION_MM2 = 400.0  # a vessel is smaller
_USUAL_MUSCLE_HU = 45.0
_USUAL_NOISE_HU = 18.0


@dataclass(frozen=True, eq=False)
class Donor:
    """A piece of a lesion: HU against its scan's muscle (z, y, x), and where that holds."""

    hu: Field
    inside: Region


@dataclass(frozen=True, eq=False)
class Tissue:
    """The scan's soft tissue: where it is, its median HU and its fine structure."""

    level_hu: float
    fine: Field
    inside: Region

    @classmethod
    def of(cls, hu: Field, lungs: Field, spacing_mm: Sequence[float]) -> Tissue:
        """Muscle-like voxels (z, y, x) away from the lungs' edge."""
        soft = (hu > _MUSCLE_HU[0]) & (hu < _MUSCLE_HU[1]) & (lungs == 0)
        soft = ndimage.binary_erosion(soft, np.ones((1, 3, 3), bool))
        if soft.sum() < _LEAST_TISSUE:
            return cls(_USUAL_MUSCLE_HU, np.zeros(hu.shape, np.float32), np.zeros(hu.shape, bool))
        weight = blurred(soft.astype(np.float32), _FINE_MM / 2, spacing_mm)
        level = blurred(np.where(soft, hu, 0).astype(np.float32), _FINE_MM / 2, spacing_mm)
        fine = np.where(soft, hu - level / np.maximum(weight, 1e-3), 0).astype(np.float32)
        return cls(float(np.median(hu[soft])), fine, soft)

    def texture(self, rng: np.random.Generator) -> Field:
        """Fine structure, HU, everywhere on the scan's grid."""
        return carried(self.fine, self.inside, self.fine.shape, rng)


def carried(fine: Field, inside: Region, shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """Texture of `inside`, shifted and mirrored piece by piece until it fills `shape` (z, y, x).

    What no piece reaches gets noise of the same deviation.
    """
    if not inside.any():
        # Real noise isn't white.
        return (
            blurred(rng.standard_normal(shape, np.float32), 0.6, (1, 1, 1)) * 1.8 * _USUAL_NOISE_HU
        )
    out = np.zeros(int(np.prod(shape)), np.float32)
    empty = np.arange(out.size)
    for _ in range(_PIECES):
        places = np.unravel_index(empty, shape)
        index = tuple(
            (rng.integers(n) + rng.choice((-1, 1)) * place) % n
            for n, place in zip(fine.shape, places, strict=True)
        )
        known = inside[index]
        out[empty[known]] = fine[index][known]
        empty = empty[~known]
        if len(empty) == 0:
            break
    out[empty] = rng.standard_normal(len(empty)) * fine[inside].std()
    return out.reshape(shape)


def lesions_of(hu: Field, lungs: Field, spacing_mm: Sequence[float]) -> list[Donor]:
    """Dense pieces of real lung, (1, h, w) each: what `carried` may take a texture from."""
    found: list[Donor] = []
    area = spacing_mm[1] * spacing_mm[2]
    dense = ndimage.binary_erosion(lungs > 0.99, np.ones((1, 5, 5), bool)) & (hu > -250)
    dense = ndimage.binary_opening(dense, np.ones((1, 3, 3), bool))
    for z in np.flatnonzero(dense.sum(axis=(1, 2)) * area >= _SMALLEST_LESION_MM2):
        labels, _ = ndimage.label(dense[z])
        muscle: Tissue | None = None
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            inside = labels[box] == number
            if inside.sum() * area < _SMALLEST_LESION_MM2:
                continue
            muscle = muscle or Tissue.of(hu[z : z + 1], lungs[z : z + 1], spacing_mm)
            piece = hu[z][box] - muscle.level_hu
            found.append(Donor(piece[None].astype(np.float32), inside[None]))
    return found
