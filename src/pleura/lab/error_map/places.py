"""Anatomical places, drawn from the reference's labels by geometry alone."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from pleura.lab.error_map.comparison import (
    BoolArray,
    Comparison,
    Spacing,
    distance_to,
    smoothed,
)
from pleura.labels import LEFT, RIGHT
from pleura.postprocess import box_around

ELSEWHERE, APEX, HILUM, BASE, MEDIASTINAL, COSTAL, INTERIOR = range(7)
PLACES = (
    "elsewhere", "apex", "hilum", "base", "mediastinal edge", "costal edge", "interior",
)  # fmt: skip

NEAR_MM = 10.0  # outside the lungs; what lies farther off is elsewhere
DEEP_MM = 5.0  # inside the lungs; what lies deeper is interior
APEX_SHARE = 0.15
HILUM_MM = 20.0
_BASE_SHARE = 0.5
_FACING = 0.5  # cosine: within 60 degrees
_NORMAL_MM = 4.0
_BRONCHUS_MM2 = 30.0


def places(one: Comparison) -> npt.NDArray[np.uint8]:
    """The number of its place for every voxel of a volume, an index of `PLACES`.

    - apex: the top 15 % of each lung's height;
    - hilum: lung within 20 mm of a main bronchus;
    - base: surface facing down (within 60 degrees), in the lower half of the lung's height;
    - mediastinal edge: surface facing the other side (within 60 degrees);
    - costal edge: what is left of the surface;
    - interior: lung deeper than 5 mm that is neither apex nor hilum;
    - elsewhere: farther than 10 mm from both lungs.

    Earlier ones win. What lies within 5 mm inside or 10 mm outside of the surface belongs to the
    nearest part of it.
    """
    classes = surface_places(one)
    nearest = np.full(classes.shape, np.inf, dtype=np.float32)
    out = np.full(classes.shape, ELSEWHERE, dtype=np.uint8)
    for place in (APEX, HILUM, BASE, MEDIASTINAL, COSTAL):
        distance = distance_to(classes == place, one.spacing)
        nearer = distance < nearest
        out[nearer] = place
        np.copyto(nearest, distance, where=nearer)
    out[~one.lungs & (nearest > NEAR_MM)] = ELSEWHERE
    out[one.lungs & (nearest > DEEP_MM)] = INTERIOR
    out[one.lungs & near_hilum(one)] = HILUM
    for side in (RIGHT, LEFT):
        lung = one.reference == side
        top = _height(lung) >= 1 - APEX_SHARE
        out[top] = np.where(lung[top], APEX, out[top])
    return out


def surface_places(one: Comparison) -> npt.NDArray[np.uint8]:
    """The place of each border voxel of the reference; 0 everywhere else."""
    hilum = near_hilum(one)
    out = np.zeros(one.surface.shape, dtype=np.uint8)
    for side, inwards in ((RIGHT, 1.0), (LEFT, -1.0)):
        lung = one.reference == side
        if not lung.any():
            continue
        place = box_around(lung, margin=2)
        lung, edge = lung[place], one.surface[place] & lung[place]
        down, medial = _facing(lung, edge, one.spacing, inwards)
        height = _height(lung)[np.nonzero(edge)[0]]
        kinds = np.full(len(height), COSTAL, dtype=np.uint8)
        kinds[medial > _FACING] = MEDIASTINAL
        kinds[(down > _FACING) & (height <= _BASE_SHARE)] = BASE
        kinds[hilum[place][edge]] = HILUM
        kinds[height >= 1 - APEX_SHARE] = APEX
        out[place][edge] = kinds
    return out


def main_bronchi(airways: BoolArray, spacing: Spacing) -> BoolArray:
    """The airways from the highest slice that cuts them in two downwards.

    The whole label in a single slice, or where it is never cut in two.
    """
    pixel_mm2 = spacing[1] * spacing[2]
    for z in range(len(airways) - 1, -1, -1):
        pieces = cc3d.statistics(cc3d.connected_components(airways[z], connectivity=8))
        if (pieces["voxel_counts"][1:] * pixel_mm2 >= _BRONCHUS_MM2).sum() >= 2:
            below = airways.copy()
            below[z + 1 :] = False
            return below
    return airways


def near_hilum(one: Comparison) -> BoolArray:
    """Voxels within 20 mm of a main bronchus of the reference."""
    bronchi = main_bronchi(one.airways, one.spacing)
    near: BoolArray = distance_to(bronchi, one.spacing) <= HILUM_MM
    return near


def _height(lung: BoolArray) -> npt.NDArray[np.float64]:
    """Of each slice, as a share: 0 is the lung's lowest one, 1 its highest."""
    rows = np.flatnonzero(lung.any(axis=(1, 2)))
    if not rows.size:
        return np.zeros(len(lung))
    height: npt.NDArray[np.float64] = (np.arange(len(lung)) - rows[0]) / max(1, rows[-1] - rows[0])
    return height


def _facing(
    lung: BoolArray, edge: BoolArray, spacing: Spacing, inwards: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Of each edge voxel: how far the surface's normal points down, and to the other side."""
    # Beyond the scan's end the lung goes on, so that a cut doesn't turn the normals.
    padded = np.pad(lung, [(8 if n > 1 else 0,) * 2 for n in lung.shape], mode="edge")
    field = smoothed(padded.astype(np.float32), _NORMAL_MM, spacing)
    at = tuple(
        where + (8 if n > 1 else 0) for where, n in zip(np.nonzero(edge), lung.shape, strict=True)
    )
    slopes = []
    for axis, mm in enumerate(spacing):
        if lung.shape[axis] == 1:
            slopes.append(np.zeros(len(at[0]), dtype=np.float32))
            continue
        ahead, behind = ([*at], [*at])
        ahead[axis], behind[axis] = at[axis] + 1, at[axis] - 1
        slopes.append((field[tuple(ahead)] - field[tuple(behind)]) / (2 * mm))
    z, y, x = slopes
    length = np.sqrt(z * z + y * y + x * x) + np.float32(1e-12)
    # The field falls outwards, so the outward normal is minus its slope.
    return z / length, -x * np.float32(inwards) / length
