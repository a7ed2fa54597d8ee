"""Threshold and connected components, no network: every table's baseline, a second opinion.

After Hu, Hoffman and Reinhardt 2001 (doi 10.1109/42.929615), made simpler: a fixed threshold, the
airways followed by size from the top, sides by erosion. It needs aerated lung: consolidation,
masses and effusion that reach the pleura are lost, gas in the bowel may be taken for lung.
"""

from __future__ import annotations

import cc3d
import edt
import fill_voids
import numpy as np
import numpy.typing as npt

from pleura.labels import LEFT, PLEURA_LABELS, RIGHT
from pleura.postprocess import box_around
from pleura.preprocess import Orientation
from pleura.volume import HUArray, LabelArray, Mask, Volume

BoolArray = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

# Between lung (-680 and less) and soft tissue, also on scans whose scale is 0.8 x HU.
AERATED_HU = -320
_LEAST_SHARE = 0.05  # of the largest component
# A trachea's cross section; main bronchi are smaller, the carina a little larger.
_AIRWAY_MM2 = (30.0, 700.0)
_MIDLINE_MM = 30.0
_CLOSING_MM = 5.0
_SPLIT_MM = (1.5, 3.0, 5.0, 8.0)
_BOTH_SIDES_SHARE = 0.1
_LEAST_CORE_SHARE = 0.2  # the smaller lung against the larger


def classical_lungs(volume: Volume) -> Mask:
    """Segment both lungs without a network; the mask is empty where there is no lung.

    Steps: air inside the body in each slice; minus the airways; components of at least 5 % of the
    largest; right and left by erosion, or by the body's midline where erosion doesn't part them;
    each side closed by 5 mm and filled slice by slice.

    Args:
        volume: HU (z, y, x) in any orientation; a single slice will do.

    Returns:
        1 right, 2 left (the patient's sides), on the volume's own grid.
    """
    orientation = Orientation.of(volume.geometry)
    hu: HUArray = np.asarray(orientation.apply(volume.array), dtype=np.int16)
    spacing = orientation.geometry(volume.geometry).spacing_zyx_mm
    air, midline = inner_air(hu)
    labels = np.zeros(hu.shape, dtype=np.uint8)
    if air.any():
        box = box_around(air, margin=1)  # what lies outside changes nothing inside
        labels[box] = _lungs(np.ascontiguousarray(air[box]), midline - box[2].start, spacing)
    restored: LabelArray = np.ascontiguousarray(orientation.undo(labels), dtype=np.uint8)
    return Mask(restored, volume.geometry, PLEURA_LABELS, volume.header)


def inner_air(hu: HUArray) -> tuple[BoolArray, float]:
    """Air that tissue encloses in its slice: lungs, airways, and gas in stomach and bowel.

    Args:
        hu: (z, y, x), canonical (z to the head, y back, x to the patient's left).

    Returns:
        (z, y, x) booleans, and the body's midline as an index along x (the mean of the body's
        columns; the frame's middle where there is no body).
    """
    air = hu < AERATED_HU
    body = np.zeros_like(air)
    for z, plane in enumerate(air):
        # The body is the slice's largest piece of tissue; tables and blankets are others.
        tissue = cc3d.largest_k(~plane, k=1, connectivity=4) > 0
        body[z] = fill_voids.fill(tissue)
    columns = body.sum(axis=0, dtype=np.int32).sum(axis=0)
    if not columns.any():
        return np.zeros_like(air), hu.shape[2] / 2
    return air & body, float(np.average(np.arange(hu.shape[2]), weights=columns))


def airways(air: BoolArray, midline: float, spacing: Spacing) -> BoolArray:
    """Trachea and main bronchi: pieces of a tracheal size near the midline, followed downwards.

    In each slice an airway is a piece of air small enough that lies near the midline and, once the
    trachea was found, under the airway of the slice above. A bronchus that has entered its lung
    belongs to a large piece and ends there.

    Args:
        air, midline: of `inner_air`, (z, y, x) canonical and an index along x.
        spacing: (z, y, x) in mm.

    Returns:
        (z, y, x) booleans, a part of `air`; all False where no trachea was found.
    """
    pixel_mm2 = spacing[1] * spacing[2]
    found = np.zeros_like(air)
    above = np.zeros_like(air[0])
    for z in range(air.shape[0] - 1, -1, -1):
        pieces = cc3d.connected_components(air[z], connectivity=4)
        counts = np.bincount(pieces.ravel())
        area = counts * pixel_mm2
        if above.any():
            chosen = np.zeros(len(area), dtype=np.bool_)
            chosen[pieces[above]] = True
        else:
            columns = np.broadcast_to(np.arange(pieces.shape[1]), pieces.shape).ravel()
            sums = np.bincount(pieces.ravel(), weights=columns)
            offset = np.abs(sums / np.maximum(counts, 1) - midline) * spacing[2]
            chosen = (area >= _AIRWAY_MM2[0]) & (offset <= _MIDLINE_MM)
        chosen &= area <= _AIRWAY_MM2[1]
        chosen[0] = False
        found[z] = above = chosen[pieces]
    return found


def _lungs(air: BoolArray, midline: float, spacing: Spacing) -> LabelArray:
    lungs = _largest_components(air & ~airways(air, midline, spacing))
    sides = _split_sides(lungs, midline, spacing)
    labels = np.zeros(air.shape, dtype=np.uint8)
    for number in (RIGHT, LEFT):
        smooth = _close_and_fill(sides == number, spacing)
        labels[smooth & (labels == 0)] = number
    return labels


def _largest_components(mask: BoolArray) -> BoolArray:
    components = cc3d.connected_components(mask, connectivity=6)
    counts = np.bincount(components.ravel())
    counts[0] = 0
    kept = counts >= max(1.0, _LEAST_SHARE * counts.max())
    return np.asarray(kept[components], dtype=np.bool_)


def _split_sides(lungs: BoolArray, midline: float, spacing: Spacing) -> LabelArray:
    """Label lungs as `RIGHT` and `LEFT`; canonical x grows to the patient's left."""
    sides = np.zeros(lungs.shape, dtype=np.uint8)
    left_of_midline = np.arange(lungs.shape[2]) > midline
    components = cc3d.connected_components(lungs, connectivity=6)
    for number in range(1, int(components.max(initial=0)) + 1):
        part = components == number
        share = np.count_nonzero(part & left_of_midline) / np.count_nonzero(part)
        if min(share, 1 - share) <= _BOTH_SIDES_SHARE:
            sides[part] = LEFT if share > 0.5 else RIGHT
        else:
            is_left = _left_of_joined(part, left_of_midline, spacing)
            sides[part] = np.where(is_left, LEFT, RIGHT)[part]
    return sides


def _left_of_joined(part: BoolArray, left_of_midline: BoolArray, spacing: Spacing) -> BoolArray:
    """Where lungs that touch are the left one: erosion parts them, the rest joins the nearer core.

    Erosion counts as successful when the two largest cores lie on different sides of the midline.
    """
    depth = _distance(part, spacing)
    for radius in _SPLIT_MM:
        cores = cc3d.largest_k(depth > radius, k=2, connectivity=6)
        sizes = [np.count_nonzero(cores == k) for k in (1, 2)]
        if min(sizes) < _LEAST_CORE_SHARE * max(sizes) or min(sizes) == 0:
            continue
        on_left = [
            np.count_nonzero((cores == k) & left_of_midline) > size / 2
            for k, size in zip((1, 2), sizes, strict=True)
        ]
        if on_left[0] != on_left[1]:
            left, right = (1, 2) if on_left[0] else (2, 1)
            nearer = _distance(cores != left, spacing) < _distance(cores != right, spacing)
            return np.asarray(nearer, dtype=np.bool_)
    return np.broadcast_to(left_of_midline, part.shape)


def _close_and_fill(mask: BoolArray, spacing: Spacing) -> BoolArray:
    """Closing by a disc of 5 mm and hole filling in each axial slice."""
    out = np.zeros_like(mask)
    margin = tuple(int(np.ceil(_CLOSING_MM / s)) + 1 for s in spacing[1:])
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        ys, xs = (np.flatnonzero(mask[z].any(axis=axis)) for axis in (1, 0))
        box = (slice(ys[0], ys[-1] + 1), slice(xs[0], xs[-1] + 1))
        padded = np.pad(mask[z][box], [(m, m) for m in margin])
        # The margin is wider than the disc, so what lies beyond doesn't matter.
        closed = ~_dilated(~_dilated(padded, spacing), spacing)
        filled = fill_voids.fill(closed | padded)
        out[z][box] = filled[margin[0] : -margin[0], margin[1] : -margin[1]]
    return out


def _dilated(plane: BoolArray, spacing: Spacing) -> BoolArray:
    """Dilation by a disc of 5 mm, row by row of the disc: faster than distances."""
    _, dy_mm, dx_mm = spacing
    radius = _CLOSING_MM + 1e-3  # headers round their spacing
    rows = np.arange(int(radius / dy_mm) + 1)
    half_widths = (np.sqrt(np.maximum(0, radius**2 - (rows * dy_mm) ** 2)) / dx_mm).astype(int)
    wide, out = plane.copy(), plane.copy()
    for width in range(int(half_widths[0]) + 1):
        if width:
            wide[:, width:] |= plane[:, :-width]
            wide[:, :-width] |= plane[:, width:]
        for row in rows[half_widths == width]:
            out[row:] |= wide[: len(wide) - row]
            out[: len(out) - row] |= wide[row:]
    return out


def _distance(mask: BoolArray, spacing: Spacing) -> npt.NDArray[np.float32]:
    """Distance in mm from each mask voxel to the nearest background, 0 in the background."""
    field: npt.NDArray[np.float32] = edt.edt(
        np.ascontiguousarray(mask), anisotropy=spacing, black_border=False, parallel=0
    )
    return field
