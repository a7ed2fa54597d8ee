"""The last look at every scan that was read: are these HU, and how does its grid lie?"""

from __future__ import annotations

import numpy as np

from pleura.body import coarse_body, strides
from pleura.preprocess import Orientation
from pleura.read.extremes import EXTREME_HU, extreme_values
from pleura.read.grid_findings import grid_findings
from pleura.read.repair import find_repair
from pleura.read.repeated import repeated_slices
from pleura.read.scale import room_air
from pleura.volume import HUArray, Volume


def checked(volume: Volume) -> Volume:
    """The volume with its units repaired where that is certain, and findings about both.

    Raises:
        IntensityError: constant, an 8-bit picture, inverted, clipped to a window that hides
            lungs, or a range or scale far from CT's that no certain offset explains.
    """
    where = "The scan" if volume.source is None else str(volume.source)
    orientation = Orientation.of(volume.geometry)
    canonical: HUArray = orientation.apply(volume.array)  # type: ignore[assignment]
    coarse = _coarse(canonical)
    repair = find_repair(volume, orientation, coarse, where)
    volume = repair.applied(volume, orientation)
    if repair.changes:
        canonical = orientation.apply(volume.array)  # type: ignore[assignment]
        coarse = _coarse(canonical)
    body = coarse_body(coarse)
    findings = [*grid_findings(volume, body), *repeated_slices(canonical)]
    if repair.air_is_measured:
        findings += room_air(coarse, body, bool(repair.padding))
    if repair.greatest >= EXTREME_HU:
        findings += extreme_values(canonical, body, volume.geometry.voxel_ml)
    return volume.with_findings(*findings)


def _coarse(canonical: HUArray) -> HUArray:
    """The grid on which the body is searched, gathered once for all who look at it."""
    step_z, step_y, step_x = strides(canonical.shape)
    return np.ascontiguousarray(canonical[::step_z, step_y // 2 :: step_y, step_x // 2 :: step_x])
