"""Closed polygons -> pixels, exactly: a pixel is inside when its centre is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Polygon = npt.NDArray[np.float64]
_SAME_POINT_DIGITS = 6  # of a pixel: far below what a file says, far above rounding


def without_duplicates(polygons: Iterable[Polygon]) -> list[Polygon]:
    """The first of polygons (n, 2) with the same corners, wherever they start and turn."""
    found: dict[tuple[tuple[float, ...], ...], Polygon] = {}
    for polygon in polygons:
        found.setdefault(_canonical(polygon), polygon)
    return list(found.values())


def _canonical(polygon: Polygon) -> tuple[tuple[float, ...], ...]:
    """The corners from the smallest on, in the direction that comes first in order, none twice."""
    ring = [tuple(corner) for corner in np.round(polygon, _SAME_POINT_DIGITS).tolist()]
    ring = [now for now, before in zip(ring, ring[-1:] + ring, strict=False) if now != before]
    if not ring:  # a point
        return (tuple(polygon[0].tolist()),)
    smallest = min(ring)
    return min(
        tuple(turned[start:] + turned[:start])
        for turned in (ring, ring[::-1])
        for start, corner in enumerate(turned)
        if corner == smallest
    )


def fill_even_odd(polygons: Iterable[Polygon], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels whose centre lies inside an odd number of polygons, so that inner ones make holes.

    Args:
        polygons: (n, 2) corners (x, y) in pixels; the centre of pixel [y, x] is (x, y). The last
            corner joins the first. Parts outside the frame are cut off.
        shape: (rows, columns).

    Returns:
        Booleans (rows, columns).
    """
    rows, columns = shape
    crossings = np.zeros((rows, columns + 1), dtype=np.int32)
    for corners in polygons:
        x0, y0 = corners.T
        x1, y1 = np.roll(corners, -1, axis=0).T
        # Half-open in y, so that a corner on a row counts once and level edges never.
        first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(int)
        count = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(int) - first
        edge = np.repeat(np.arange(len(corners)), count)
        row = np.arange(edge.size) + np.repeat(first - (np.cumsum(count) - count), count)
        x = x0[edge] + (row - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        np.add.at(crossings, (row, np.clip(np.ceil(x), 0, columns).astype(int)), 1)
    return np.asarray(np.cumsum(crossings[:, :columns], axis=1) % 2 == 1)
