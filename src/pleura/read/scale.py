"""Do the numbers lie where Hounsfield units lie? Air near -1000, soft tissue near 40.

Coarse on purpose: up to 25 % off is segmented with a finding, more is refused.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pleura.body import coarse_body, strides
from pleura.errors import IntensityError
from pleura.findings import Finding
from pleura.volume import HUArray

_SAMPLES = 500_000
_PADDING_BELOW = -1150  # what scanners fill in outside the field of view: -2000, -3024, ...
_PADDING_VALUES = 8  # few exact values are padding, many are a measurement
_FAR_BELOW_AIR = -1350  # 25 % below -1000, and noise
_INT16 = np.iinfo(np.int16)
_NEAR_AIR = (-1250.0, -750.0)
_NOTEWORTHY = 60.0  # HU by which room air may be off


def check_scale(hu: HUArray, where: str) -> tuple[Finding, ...]:
    """Findings about the scale of a scan (z, y, x).

    Raises:
        IntensityError: an offset or a factor keeps the numbers from being HU.
    """
    values = _measured(hu)
    if not values.size:
        return ()

    counts = np.bincount(values.astype(np.int32) - _INT16.min, minlength=_INT16.max - _INT16.min)

    def share(low: float, high: float) -> float:
        """Of the values from low on and below high."""
        first, last = (int(max(limit, _INT16.min)) - _INT16.min for limit in (low, high))
        return float(counts[first:last].sum() / values.size)

    if share(-np.inf, -600) < 0.02 and share(600, 1400) > 0.10:
        raise IntensityError(
            f"{where} has no air, but much near 1000, so its rescale to HU is missing or it is "
            "inverted; convert it again with slope and intercept (often -1024)."
        )
    if share(-np.inf, _FAR_BELOW_AIR) > 0.20:
        raise IntensityError(
            f"{where} lies far below air (-1000 HU) in large parts, so its scale is wrong; "
            "convert it again with the right slope."
        )
    if share(-np.inf, -620) < 0.01 and share(-600, -300) > 0.20:
        raise IntensityError(
            f"{where} has its air above -600 instead of -1000, so its scale is wrong; "
            "convert it again with the right slope."
        )
    return _room_air(hu)


def _measured(hu: HUArray) -> npt.NDArray[np.int16]:
    """A sample of the voxels without padding."""
    step = int(hu.size / _SAMPLES) | 1  # odd, or rows of 512 would show one column only
    values = np.concatenate([plane.ravel()[::step] for plane in hu])
    low = values[values < _PADDING_BELOW]
    if 0 < len(np.unique(low)) <= _PADDING_VALUES:
        return np.asarray(values[values >= _PADDING_BELOW])
    return values


def _room_air(hu: HUArray) -> tuple[Finding, ...]:
    """A finding when the air at the frame's rim isn't near -1000; none when there is no air."""
    step_z, step_y, step_x = strides(hu.shape)
    coarse = hu[::step_z, step_y // 2 :: step_y, step_x // 2 :: step_x]
    _, height, width = coarse.shape
    edge = np.ones(coarse.shape[1:], dtype=bool)
    edge[height // 16 + 1 : -(height // 16 + 1), width // 16 + 1 : -(width // 16 + 1)] = False
    rim = coarse[:, edge]
    rim = rim[rim > _FAR_BELOW_AIR]
    air = rim[rim < -600]
    # In a crop the rim is tissue, or lung here and there; only a rim of air tells.
    if not coarse_body(hu).any() or air.size <= 0.5 * rim.size:
        return ()
    level = float(np.median(air))
    if abs(level + 1000) <= _NOTEWORTHY or not _NEAR_AIR[0] <= level <= _NEAR_AIR[1]:
        return ()
    return (
        Finding(
            "intensity_scale",
            "warn",
            f"Air around the body lies at {level:.0f} HU instead of -1000, so intensities are "
            "scaled or shifted and densities can't be trusted.",
        ),
    )
