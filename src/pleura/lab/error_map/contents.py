"""What a voxel holds: kinds of lung inside the reference, kinds of surroundings outside of it."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from pleura.lab.error_map.comparison import (
    BoolArray,
    Comparison,
    FloatArray,
    Spacing,
    distance_to,
    smoothed,
)
from pleura.lab.error_map.places import near_hilum

(
    TISSUE, BLURRED, GAS, AIRWAY,
    AERATED, HALF_AERATED, LOW_ATTENUATION, CONSOLIDATION, AT_PLEURA, SMALL_DENSE,
) = range(10)  # fmt: skip
CONTENTS = (
    "outside: tissue or fluid", "outside: blurred edge", "outside: gas",
    "outside: trachea or bronchus", "lung: aerated", "lung: half aerated",
    "lung: low attenuation", "lung: consolidation or mass", "lung: dense at the pleura",
    "lung: vessels and small dense parts",
)  # fmt: skip

DENSE_HU, HALF_HU, EMPHYSEMA_HU = -300, -700, -950
_GAS_HU = -500
_SMOOTH_MM = 2.0
_THICK_MM = 6.0  # thinner dense parts are vessels, or an edge that the scanner blurred
_CONSOLIDATION_CM2 = 3.0
_APART_MM = 3.0  # gas nearer to the lung than this may be the lung's own edge
_GAS_CM2 = 1.0


def contents(one: Comparison) -> npt.NDArray[np.uint8]:
    """What each voxel holds, an index of `CONTENTS`; of volumes and single slices.

    Inside the reference by HU smoothed by 2 mm within the lung, without the outermost voxel:
    below -950 low attenuation, to -700 aerated, to -300 half aerated (ground glass, vessels,
    motion). Above are dense parts: at least 6 mm thick, with 3 cm2 in a slice, consolidation or
    mass; smaller ones that reach the surface away from the hilum (nodules, bands) dense at the
    pleura; the rest are vessels.

    Outside: the reference's airways; gas that goes on farther than 3 mm and a voxel from the
    lung, with 1 cm2 in a slice (stomach, bowel, oesophagus, the room); other voxels below -300 HU
    are the blurred edge; the rest is tissue or fluid.
    """
    out = np.where(one.hu < DENSE_HU, BLURRED, TISSUE).astype(np.uint8)
    out[gas(one)] = GAS
    out[one.airways] = AIRWAY
    lungs = one.lungs
    if not lungs.any():
        return out
    density = lung_density(one)
    out[lungs] = AERATED
    out[lungs & (density < EMPHYSEMA_HU)] = LOW_ATTENUATION
    out[lungs & (density >= HALF_HU)] = HALF_AERATED
    dense = lungs & (density >= DENSE_HU)
    for part, kind in _dense_parts(one, dense):
        out[part] = kind
    return out


def lung_density(one: Comparison) -> FloatArray:
    """HU smoothed by 2 mm among the lung's voxels alone, float32; 0 far from the lungs.

    The outermost voxel holds chest wall, too, so it has a say only where there is nothing else.
    """
    out = np.zeros(one.hu.shape, dtype=np.float32)
    filled = np.zeros_like(one.lungs)
    for core in (one.lungs & ~one.surface, one.lungs):
        weights = smoothed(core.astype(np.float32), _SMOOTH_MM, one.spacing)
        values = smoothed(np.where(core, one.hu, 0).astype(np.float32), _SMOOTH_MM, one.spacing)
        usable = (weights > 0.02) & ~filled
        out[usable] = values[usable] / weights[usable]
        filled |= usable
    return out


def gas(one: Comparison) -> BoolArray:
    """Gas outside the reference's lungs and airways that goes on away from the lung."""
    # A thick slice blurs a whole voxel.
    apart = max(_APART_MM, *one.spacing)
    away = distance_to(one.lungs, one.spacing) > apart
    free = (one.hu < _GAS_HU) & ~one.lungs & ~one.airways
    core, areas = _pieces(free & away, one.spacing)
    pockets = (areas >= _GAS_CM2 * 100)[core]
    # Back to where it was cut off for being near.
    return free & (distance_to(pockets, one.spacing) <= apart)


def _dense_parts(one: Comparison, dense: BoolArray) -> list[tuple[BoolArray, int]]:
    pieces, areas = _pieces(dense, one.spacing)
    count = len(areas)
    thickness = np.zeros(count, dtype=np.float32)
    np.maximum.at(thickness, pieces[dense], 2 * distance_to(~dense, one.spacing)[dense])
    outer = one.surface & ~near_hilum(one)
    reaches = np.bincount(pieces[outer], minlength=count) > 0
    kinds = np.full(count, SMALL_DENSE, dtype=np.uint8)
    thick = thickness >= _THICK_MM
    kinds[thick & reaches] = AT_PLEURA
    kinds[thick & (areas >= _CONSOLIDATION_CM2 * 100)] = CONSOLIDATION
    kinds[0] = TISSUE  # background
    of_voxels = np.where(dense, kinds[pieces], TISSUE)
    return [(of_voxels == kind, kind) for kind in (CONSOLIDATION, AT_PLEURA, SMALL_DENSE)]


def _pieces(
    mask: BoolArray, spacing: Spacing
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pieces by number (0 is background), and of each its largest area in a slice, in mm2."""
    pieces = cc3d.connected_components(mask, connectivity=6).astype(np.int64)
    count = int(pieces.max()) + 1
    areas = np.zeros(count)
    for plane in pieces:
        np.maximum(areas, np.bincount(plane.ravel(), minlength=count), out=areas)
    areas[0] = 0
    return pieces, areas * spacing[1] * spacing[2]
