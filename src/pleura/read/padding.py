"""Padding: exact values that fill what lies outside a scanner's round field of view.

Far below air (-2000, -3024) a value is padding wherever it lies. A value that could be tissue
(0) is padding only where the scan's corners hold it and a circle bounds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.findings import Finding
from pleura.read.histogram import Histogram
from pleura.volume import AIR_HU, HUArray

FAR_BELOW_AIR = -1150  # HU; noise of air doesn't reach it, -1200, -2000 and -3024 do
_FEW_VALUES = 8  # few exact values are padding, many are a measurement
_PLATEAU = 0.002  # of the sample: what padding has at least
_MOST_OF_LOW = 0.7  # the rest was interpolated between padding and air, or is noise
_MOST_REST = 0.10  # of what isn't padding; more is lung, on a scale that lies too low
_NEAR_HU, _MOST_NEAR = 60, 0.05  # measured values above a plateau, of its count, by which it is air
_LIKE_TISSUE = -900  # HU; constant corners below it pass for air
_LOOKED_AT = 8  # planes
_OFF_CIRCLE = 1.5  # pixels
_INSIDE = 1.0  # pixels within the circle that may be padding still
_ROUND = 0.03  # by which the radii may differ
_ON_CIRCLE, _ON_CIRCLE_LEAST = 0.9, 0.6  # of all borders, of each plane's
_FITS = 4
_CONSTANT = 0.995  # of what lies outside
_LARGE = 0.02  # of a plane

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Padding:
    """What to replace by air.

    Args:
        values: as stored; every voxel that has one of them is padding.
        corner: the value outside of `outside`'s circle, None when there is no such circle.
        outside: (y, x) booleans of a canonical plane, what lies outside the circle.
    """

    values: tuple[int, ...] = ()
    corner: int | None = None
    outside: Mask | None = None

    @property
    def known(self) -> tuple[int, ...]:
        """All padding values, to leave them out of statistics."""
        return self.values if self.corner is None else (*self.values, self.corner)

    def __bool__(self) -> bool:
        return bool(self.known)

    def fill(self, hu: HUArray, air: int) -> int:
        """Set padding to `air` in a canonical array, in place; returns how many voxels."""
        count = 0
        for plane in hu:
            found = np.isin(plane, self.values)
            if self.corner is not None and self.outside is not None:
                same = plane == self.corner
                found |= same if same.all() else same & self.outside  # blank slices are padding too
            plane[found] = air
            count += int(np.count_nonzero(found))
        return count


def low_values(histogram: Histogram, shift: int = 0) -> tuple[int, ...]:
    """Padding values far below air, as stored; HU are the stored values plus `shift`."""
    limit = FAR_BELOW_AIR - shift
    low = histogram.values(high=limit)
    if histogram.count(-np.inf, limit) < _PLATEAU * histogram.total:
        return ()  # a voxel here and there
    if len(low) <= _FEW_VALUES:
        found = tuple(int(value) for value in low)
        return () if _clipped_air(histogram, found[-1]) else found
    plateaus = [int(v) for v in low if histogram.at(int(v)) >= _PLATEAU * histogram.total]
    held = sum(histogram.at(value) for value in plateaus)
    all_low = histogram.count(-np.inf, limit)
    rest = all_low - held
    if len(plateaus) > _FEW_VALUES or held < _MOST_OF_LOW * all_low:
        return ()
    if rest > _MOST_REST * (histogram.total - held):
        return ()
    return tuple(plateaus)


def _clipped_air(histogram: Histogram, value: int) -> bool:
    """Measured values follow at once: air of a scale that lies too low, cut off at its bottom."""
    near = histogram.count(value + 1, value + 1 + _NEAR_HU)
    return near > _MOST_NEAR * histogram.at(value)


def corner_value(hu: HUArray) -> int | None:
    """The one value that all corners (2 x 2) of all looked-at planes hold, else None."""
    corners = _planes(hu)[:, [0, 1, -2, -1]][:, :, [0, 1, -2, -1]] if min(hu.shape[1:]) > 1 else hu
    return int(corners.flat[0]) if (corners == corners.flat[0]).all() else None


def like_tissue(value: int, shift: int) -> bool:
    return value + shift > _LIKE_TISSUE


def outside_circle(hu: HUArray, value: int, spacing_yx_mm: tuple[float, float]) -> Mask | None:
    """(y, x): outside the circle that bounds `value` in every plane of a canonical array.

    The border must be met to a pixel or so; None when there is no such circle. One that is round
    in pixels will do too, where the spacing is wrong.
    """
    planes = [plane for plane in _planes(hu) if not (plane == value).all()]
    if not planes:
        return None
    _, height, width = hu.shape
    borders = [_border(plane == value) for plane in planes]
    points = np.concatenate(borders)
    if min(len(border) for border in borders) < 0.2 * (height + width):
        return None
    fit = _Ellipse.through(points)
    for _ in range(_FITS):  # without what tissue of the padding's value put off the border
        if fit is None:
            return None
        off = np.abs(fit.pixels_outside(points))
        fit = _Ellipse.through(points[off <= max(_OFF_CIRCLE, float(np.median(off)))])
    if fit is None or not fit.is_circle(spacing_yx_mm):
        return None
    on = [np.abs(fit.pixels_outside(border)) <= _OFF_CIRCLE for border in borders]
    if np.concatenate(on).mean() < _ON_CIRCLE or min(o.mean() for o in on) < _ON_CIRCLE_LEAST:
        return None
    y, x = np.mgrid[:height, :width]
    distance = fit.pixels_outside(np.stack([y.ravel(), x.ravel()], axis=1)).reshape(height, width)
    beyond = distance > _OFF_CIRCLE
    if any((plane[beyond] == value).mean() < _CONSTANT for plane in planes):
        return None
    return np.asarray(distance > -_INSIDE)


def constant_corners(hu: HUArray, value: int) -> tuple[Finding, ...]:
    """A warning when much of a scan has its corners' value, which isn't padding for certain."""
    share = float(np.mean(_planes(hu) == value))
    if share < _LARGE:
        return ()
    return (
        Finding(
            "constant_corners",
            "warn",
            f"All corners and {100 * share:.0f} % of the voxels are exactly {value} HU, as tissue, "
            "but no circle bounds them; they were left, so look at the mask's edges.",
        ),
    )


def filled(count: int, size: int, values: tuple[int, ...]) -> Finding:
    """What was replaced."""
    named = " and ".join(f"{value}" for value in values[:3])
    return Finding(
        "padding_repaired",
        "note",
        f"{100 * count / size:.1f} % of the voxels were padding outside the field of view "
        f"(exactly {named}).",
        f"set to {AIR_HU} HU",
    )


def _planes(hu: HUArray) -> HUArray:
    """Some planes, the first and the last among them."""
    wanted = np.unique(np.linspace(0, len(hu) - 1, _LOOKED_AT).round().astype(int))
    return np.asarray(hu[wanted])


def _border(same: Mask) -> npt.NDArray[np.float64]:
    """(n, 2) points (y, x) where, from the frame's sides, the constant ends inside the frame."""
    points = []
    for swap, rows in ((False, ~same), (True, ~same.T)):
        index = np.flatnonzero(rows.any(axis=1))
        first = rows[index].argmax(axis=1)
        last = rows.shape[1] - 1 - rows[index, ::-1].argmax(axis=1)
        for across, kept in ((first - 0.5, first > 0), (last + 0.5, last < rows.shape[1] - 1)):
            pair = np.stack([index[kept], across[kept]], axis=1)
            points.append(pair[:, ::-1] if swap else pair)
    return np.concatenate(points)


@dataclass(frozen=True)
class _Ellipse:
    centre: tuple[float, float]
    radii: tuple[float, float]

    @classmethod
    def through(cls, points: npt.NDArray[np.float64]) -> _Ellipse | None:
        """Least squares of a y^2 + b x^2 + c y + d x = 1, along the axes."""
        scale = float(np.abs(points).max()) or 1.0
        y, x = points.T / scale
        matrix = np.stack([y * y, x * x, y, x], axis=1)
        a, b, c, d = np.linalg.lstsq(matrix, np.ones(len(points)), rcond=None)[0]
        if a * b <= 0:
            return None
        centre = -c / (2 * a), -d / (2 * b)
        level = 1 + a * centre[0] ** 2 + b * centre[1] ** 2
        if level / a <= 0:
            return None
        radii = np.sqrt(level / a) * scale, np.sqrt(level / b) * scale
        return cls((centre[0] * scale, centre[1] * scale), (float(radii[0]), float(radii[1])))

    def is_circle(self, spacing_yx_mm: tuple[float, float]) -> bool:
        ratio = self.radii[0] / self.radii[1]
        return any(
            abs(ratio * stretch - 1) < _ROUND
            for stretch in (1.0, spacing_yx_mm[0] / spacing_yx_mm[1])
        )

    def pixels_outside(self, points: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """How far points lie outside, along the line to the centre."""
        offset = points - np.asarray(self.centre)
        length = np.hypot(*offset.T)
        relative = np.hypot(*(offset / np.asarray(self.radii)).T)
        return np.asarray(length * (1 - 1 / np.maximum(relative, 1e-9)))
