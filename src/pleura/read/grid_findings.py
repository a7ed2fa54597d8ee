"""How a scan's grid lies in the patient, and whether its numbers can be those of a chest.

A left-handed grid (negative determinant) is legal in NIfTI and as common as a right-handed one,
so it says nothing and isn't mentioned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.body import strides
from pleura.findings import Finding
from pleura.preprocess import Orientation
from pleura.volume import Volume

_OBLIQUE_DEGREES = 5.0
_THICK_MM = 10.0
_LEAST_PIXEL_MM = 0.2  # coarse pixels are no error: PET's CT has 4 or 5 mm
_FRAME_MM = (100.0, 800.0)
_BODY_MM = (80.0, 600.0)  # wide: a newborn's chest and the widest table
_MATRICES = (256, 512, 768, 1024)  # of scanners; a scan resampled to 1 mm has another one
_UNEQUAL = 1.5  # a scanner's pixels are square
_CUT, _LESS = 0.25, 0.7  # of an end's area that is body; of that at head and feet

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _View:
    """A scan along the patient's axes: shape, spacing and coarse body (z, y, x)."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    body: Mask

    @property
    def frame_mm(self) -> tuple[float, float]:
        """Depth and width of a plane."""
        return self.shape[1] * self.spacing[1], self.shape[2] * self.spacing[2]

    @property
    def body_mm(self) -> float | None:
        """The body's width; None without one, or where the frame's sides cut it."""
        columns = np.flatnonzero(self.body.any(axis=(0, 1)))
        if not columns.size:
            return None
        return float(columns[-1] + 1 - columns[0]) * strides(self.shape)[2] * self.spacing[2]

    @property
    def is_part(self) -> bool:
        """The body is cut at its front or back, which only a crop does."""
        return bool(self.body[:, [0, -1]].any())

    @property
    def is_cut_beside(self) -> bool:
        return bool(self.body[:, :, [0, -1]].any())


def grid_findings(volume: Volume, body: Mask) -> tuple[Finding, ...]:
    """Findings about the grid of a scan.

    Args:
        volume: the scan, with what its reader noticed.
        body: `body.coarse_body` of its canonical array.
    """
    orientation = Orientation.of(volume.geometry)
    geometry = orientation.geometry(volume.geometry)
    view = _View(geometry.shape_zyx, geometry.spacing_zyx_mm, body)
    known = {finding.code for finding in volume.findings}
    found = [*_direction(volume, known), *_plane(volume, orientation, known), *_order(view)]
    if "spacing_assumed" not in known:
        found += _sizes(view, volume.geometry.spacing_zyx_mm)
    return tuple(found)


def _direction(volume: Volume, known: set[str]) -> list[Finding]:
    """Grids that don't follow the patient's axes are processed on their voxels, and said."""
    geometry = volume.geometry
    if not geometry.is_orthogonal:
        message = "The voxel grid is sheared; it was processed on its voxels as they lie."
        return [] if "gantry_tilt" in known else [Finding("sheared_grid", "warn", message)]
    cosines = np.abs(geometry.direction_lps).max(axis=0)
    degrees = float(np.rad2deg(np.arccos(np.clip(cosines.min(), 0, 1))))
    if degrees < _OBLIQUE_DEGREES:
        return []
    message = f"The voxel grid is turned by {degrees:.0f} degrees from the patient's axes."
    return [Finding("oblique_grid", "note", message)]


def _plane(volume: Volume, orientation: Orientation, known: set[str]) -> list[Finding]:
    across = orientation.axes.index(0)  # the patient's axis (z, y, x) along which slices follow
    if across == 0 or "not_axial" in known or 1 in volume.geometry.shape_zyx[1:]:
        return []
    name = ("axial", "coronal", "sagittal")[across]
    message = (
        f"The voxels are stored as {name} slices; the scan was processed along the patient's axes."
    )
    return [Finding("not_axial", "note", message)]


def _sizes(view: _View, spacing_zyx: tuple[float, float, float]) -> list[Finding]:
    """Spacings that no chest CT has; a missing one shows as 1 x 1 x 1 mm."""
    found = []
    z, y, x = view.spacing
    if view.shape[0] > 1 and z > _THICK_MM:
        message = f"Slices are {z:.1f} mm apart, so small parts of lungs lie between them."
        found.append(Finding("thick_slices", "warn", message))
    reasons = []
    depth, width = view.frame_mm
    body = view.body_mm
    if spacing_zyx == (1.0, 1.0, 1.0) and view.shape[1] == view.shape[2] and (
        view.shape[1] in _MATRICES
    ):  # fmt: skip
        size = "" if body is None else f" (it makes the body {body:.0f} mm wide)"
        reasons.append(
            f"1 x 1 x 1 mm on {view.shape[2]} x {view.shape[1]} pixels is what a file without "
            f"spacing gets{size}"
        )
    elif view.shape[1] == view.shape[2] and max(x / y, y / x) > _UNEQUAL:
        reasons.append(
            f"pixels of {x:.2f} x {y:.2f} mm on a square matrix aren't square, so the spacing may "
            "be given in another order"
        )
    elif min(x, y) < _LEAST_PIXEL_MM:
        reasons.append(f"pixels measure {x:.2f} x {y:.2f} mm")
    elif max(depth, width) > _FRAME_MM[1] or (
        min(depth, width) < _FRAME_MM[0] and not view.is_part
    ):
        reasons.append(f"a slice measures {width:.0f} x {depth:.0f} mm")
    elif body is not None and (
        body > _BODY_MM[1] or (body < _BODY_MM[0] and not view.is_cut_beside)
    ):
        reasons.append(f"the body is {body:.0f} mm wide")
    for reason in reasons:
        message = f"The spacing is implausible for a chest, so volumes can't be trusted: {reason}."
        found.append(Finding("implausible_spacing", "warn", message))
    return found


def _order(view: _View) -> list[Finding]:
    """A body is cut at head and feet, less so at its sides, and not at its front and back."""
    height = np.flatnonzero(view.body.any(axis=(1, 2)))
    if min(view.shape) < 16 or not height.size:
        return []
    body = view.body[height[0] : height[-1] + 1]  # blank slices were added, so don't count
    cut = [[float(np.take(body, end, axis=axis).mean()) for end in (0, -1)] for axis in range(3)]
    through = 1 if min(cut[1]) > min(cut[2]) else 2
    if min(cut[through]) < _CUT or max(cut[0]) > _LESS * min(cut[through]):
        return []
    ends = "front and back" if through == 1 else "right and left"
    message = (
        f"The body is cut off at {ends}, and hardly at head and feet, so the axes seem to be in "
        "another order than the header says; sides and mask may be wrong."
    )
    return [Finding("swapped_axes", "warn", message)]
