"""Right or left? For lungs whose labels don't say, and a look at those that do."""

from __future__ import annotations

import cc3d
import edt
import numpy as np
import numpy.typing as npt

from pleura.body import body_box
from pleura.preprocess import Orientation
from pleura.volume import Geometry, Volume

BoolArray = npt.NDArray[np.bool_]

_SMALL_PIECE = 0.01  # of the lungs' volume: crumbs that don't decide about sides
_MIDLINE_SHARE = 0.10  # a lung may reach across the body's middle by this share of its volume


def sides_from_geometry(lungs: BoolArray, volume: Volume) -> tuple[BoolArray, BoolArray] | None:
    """(right, left) of a merged mask when every piece lies clearly on one side, else None.

    Args:
        lungs: (z, y, x) on the volume's grid.
        volume: the scan.
    """
    right, left, crossing = crossing_pieces(lungs, volume)
    return None if crossing.any() else (right, left)


def crossing_pieces(lungs: BoolArray, volume: Volume) -> tuple[BoolArray, BoolArray, BoolArray]:
    """(right, left, of unknown side), which together are the lungs; each (z, y, x).

    Pieces are 3-D connected components; the middle is that of the body box. A piece that reaches
    across the middle by more than a tenth of its size (lungs that touch) leaves its side unknown,
    unless it is a crumb.

    Args:
        lungs: (z, y, x) on the volume's grid.
        volume: the scan.
    """
    orientation = Orientation.of(volume.geometry)
    canonical = np.ascontiguousarray(orientation.apply(lungs))
    box = body_box(orientation.apply(volume.array))  # type: ignore[arg-type]
    columns = np.arange(canonical.shape[2]) + 0.5 < (box.x0 + box.x1) / 2
    pieces, count = cc3d.connected_components(canonical, connectivity=6, return_N=True)
    size = np.zeros(count + 1, dtype=np.int64)
    on_the_right = np.zeros(count + 1, dtype=np.int64)
    for plane in pieces:  # a whole volume of indices at once would take gigabytes
        size += np.bincount(plane.ravel(), minlength=count + 1)
        on_the_right += np.bincount(plane[:, columns].ravel(), minlength=count + 1)
    share = on_the_right / np.maximum(size, 1)
    crosses = (share > _MIDLINE_SHARE) & (share < 1 - _MIDLINE_SHARE)
    crosses &= size > _SMALL_PIECE * size[1:].sum()
    is_right = (share >= 0.5) & ~crosses
    crosses[0] = is_right[0] = False
    right = np.asarray(orientation.undo(is_right[pieces]), dtype=bool)
    if not crosses.any():
        return right, lungs & ~right, np.zeros_like(lungs)
    crossing = np.asarray(orientation.undo(crosses[pieces]), dtype=bool)
    return right, lungs & ~right & ~crossing, crossing


def add_to_nearer_side(
    lungs: BoolArray, right: BoolArray, left: BoolArray, geometry: Geometry
) -> None:
    """Give each voxel of `lungs` to the side (z, y, x booleans, changed) that is nearer in mm."""
    frame = tuple(
        slice(int(found[0]), int(found[-1]) + 1)
        for axes in ((1, 2), (0, 2), (0, 1))
        if (found := np.flatnonzero((lungs | right | left).any(axis=axes))).size
    )
    if not frame:
        return
    nearer_right = _distance(right[frame], geometry) < _distance(left[frame], geometry)
    right[frame] |= lungs[frame] & nearer_right
    left[frame] |= lungs[frame] & ~nearer_right


def sides_look_swapped(right: BoolArray, left: BoolArray, geometry: Geometry) -> bool:
    """True when, by the header, the right lung lies to the left of the left one."""
    orientation = Orientation.of(geometry)
    centres = []
    for side in (right, left):
        profile = orientation.apply(side).sum(axis=(0, 1), dtype=np.int64)
        if not profile.any():
            return False
        centres.append(np.average(np.arange(profile.size), weights=profile))
    return bool(centres[0] > centres[1])


def _distance(side: BoolArray, geometry: Geometry) -> npt.NDArray[np.float32]:
    """To the side in mm; infinite when it is empty."""
    if not side.any():
        return np.full(side.shape, np.inf, dtype=np.float32)
    distance = edt.edt(np.ascontiguousarray(~side), anisotropy=geometry.spacing_zyx_mm, parallel=1)
    return np.asarray(distance, dtype=np.float32)
