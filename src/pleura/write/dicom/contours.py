"""A slice of a mask -> closed contours, holes joined to what encloses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def contours(inside: npt.NDArray[np.bool_]) -> list[Points]:
    """Closed polygons about the mask, (n, 2) as (x, y) of pixel indices, first point not repeated.

    They run half way between the centres of neighbouring pixels (marching squares), so a reader
    that asks which centres lie inside gets the mask back. A hole is joined to the contour about it
    by a channel without width ("keyhole"), which every reader understands.
    """
    from skimage.measure import find_contours

    places = np.argwhere(inside)
    if not len(places):
        return []
    low, high = places.min(axis=0), places.max(axis=0) + 1
    box = np.pad(inside[low[0] : high[0], low[1] : high[1]], 1).astype(np.float32)
    shift = (low - 1)[::-1]
    found = [line[:-1, ::-1] + shift for line in find_contours(box, 0.5)]
    areas = [_area(points) for points in found]
    # All contours turn the same way about the mask, so those of holes turn the other way; the
    # largest is never a hole.
    sign = np.sign(areas[int(np.abs(areas).argmax())])
    outer = [points for points, area in zip(found, areas, strict=True) if area * sign > 0]
    holes = [points for points, area in zip(found, areas, strict=True) if area * sign < 0]
    return [_corners(points) for points in _joined(outer, holes)]


def _area(points: Points) -> float:
    x, y = points.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _joined(outer: Sequence[Points], holes: Sequence[Points]) -> list[Points]:
    from skimage.measure import points_in_poly

    joined = list(outer)
    sizes = [abs(_area(points)) for points in outer]
    for hole in holes:
        around = [i for i, points in enumerate(outer) if points_in_poly(hole[:1], points)[0]]
        if around:
            smallest = min(around, key=lambda i: sizes[i])
            joined[smallest] = _with_keyhole(joined[smallest], hole)
    return joined


def _with_keyhole(outer: Points, hole: Points) -> Points:
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(outer).query(hole)
    start = int(distances.argmin())
    door = int(nearest[start])
    inner = np.roll(hole, -start, axis=0)
    return np.concatenate([outer[: door + 1], inner, inner[:1], outer[door:]])


def _corners(points: Points) -> Points:
    """Without the points on straight lines between their neighbours."""
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    straight = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) < 1e-9
    # A channel turns back at its ends, and those points count.
    straight &= (before * after).sum(axis=1) > 0
    return points[~straight]
