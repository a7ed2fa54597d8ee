"""The last look at every scan that was read: can these be HU, and how does its grid lie?"""

from __future__ import annotations

import numpy as np

from pleura.findings import Finding
from pleura.read.intensity import check_range
from pleura.read.scale import check_scale
from pleura.volume import Volume

_OBLIQUE_DEGREES = 5.0


def checked(volume: Volume) -> Volume:
    """The volume with findings about its scale and grid; refused when it can't be HU.

    Raises:
        IntensityError: constant, an 8-bit picture, a range or scale far from CT's.
    """
    where = "The scan" if volume.source is None else str(volume.source)
    check_range(float(volume.array.min()), float(volume.array.max()), where)
    scale = check_scale(volume.array, where)
    return volume.with_findings(*scale, *_grid_findings(volume))


def _grid_findings(volume: Volume) -> tuple[Finding, ...]:
    """Grids that don't follow the patient's axes are processed on their voxels, and said."""
    geometry = volume.geometry
    if not geometry.is_orthogonal:
        if any(finding.code == "gantry_tilt" for finding in volume.findings):
            return ()
        message = "The voxel grid is sheared; it was processed on its voxels as they lie."
        return (Finding("sheared_grid", "warn", message),)
    cosines = np.abs(geometry.direction_lps).max(axis=0)
    degrees = float(np.rad2deg(np.arccos(np.clip(cosines.min(), 0, 1))))
    if degrees < _OBLIQUE_DEGREES:
        return ()
    message = f"The voxel grid is turned by {degrees:.0f} degrees from the patient's axes."
    return (Finding("oblique_grid", "note", message),)
