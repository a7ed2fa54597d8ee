"""Do the numbers lie where Hounsfield units lie? Air near -1000, soft tissue near 40.

Coarse on purpose: up to 25 % off is segmented with a finding, more is refused.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pleura.findings import Finding
from pleura.read.histogram import Histogram
from pleura.volume import AIR_HU, HUArray

NO_AIR_BELOW = -1350  # 25 % below -1000, and noise
_NEAR_AIR = (-1250.0, -600.0)
_NOTEWORTHY = 60.0  # HU by which room air may be off
_APART = (700, 1300)  # between the peaks of air and body
_TAIL_ABOVE, _MOST_ABOVE = 200, 0.001  # of the upper peak: bone, unless it is inverted air
_TAIL_BELOW, _LEAST_BELOW = 150, 0.005  # of the lower peak: nothing, unless it is inverted body
_BONE_FROM_AIR = 1150  # lung and its airways are nearer to each other


def scale_problem(histogram: Histogram) -> str | None:
    """Why the values (without padding) can't be HU, as the middle of a sentence."""
    if histogram.share(-np.inf, -600) < 0.02 and histogram.share(600, 1400) > 0.10:
        return "has no air, but much near 1000, so its rescale to HU is missing"
    if histogram.share(600, 1400) > max(0.10, 3 * histogram.share(-250, 250)):
        return "has far more near 1000 than soft tissue near 0, so its scale is wrong"
    if histogram.share(-np.inf, NO_AIR_BELOW) > 0.20:
        return "lies far below air (-1000 HU) in large parts, so its scale is wrong"
    if histogram.share(-np.inf, -620) < 0.01 and histogram.share(-600, -300) > 0.20:
        return "has its air above -600 instead of -1000, so its scale is wrong"
    return None


def is_inverted(histogram: Histogram, coarse: HUArray, padding: tuple[int, ...] = ()) -> bool:
    """Air high and body low: bone makes a tail below the lower peak, nothing one above the upper,
    and the upper peak lies at the frame's rim.

    Args:
        histogram: of the values without padding.
        coarse: (z, y, x) on the coarse grid of `pleura.body`.
        padding: values that weren't measured.
    """
    low, high = histogram.peaks()
    if not _APART[0] <= high - low <= _APART[1]:
        return False
    if histogram.share(high + _TAIL_ABOVE, np.inf) > _MOST_ABOVE:
        return False
    bone = min(low - _TAIL_BELOW, high - _BONE_FROM_AIR)
    if histogram.share(-np.inf, bone) < _LEAST_BELOW:
        return False
    rim = _rim(coarse)
    rim = rim[~np.isin(rim, padding)]
    return bool(np.count_nonzero(rim > (low + high) / 2) > 0.5 * rim.size)


def room_air(
    coarse: HUArray, body: npt.NDArray[np.bool_], filled: bool = False
) -> tuple[Finding, ...]:
    """A finding when the air at the frame's rim isn't near -1000; none when there is no air.

    Args:
        coarse: HU (z, y, x) on the coarse grid of `pleura.body`.
        body: of `body.coarse_body`.
        filled: padding was replaced by -1024, which was not measured then.
    """
    rim = _rim(coarse)
    if filled:
        rim = rim[rim != AIR_HU]
    rim = rim[rim > NO_AIR_BELOW]
    air = rim[rim < -600]
    # In a crop the rim is tissue, or lung here and there; only a rim of air tells. Padding shows
    # that nothing was cropped, so less will do.
    if not body.any() or air.size <= (0.3 if filled else 0.5) * rim.size:
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


def _rim(coarse: HUArray) -> HUArray:
    """The voxels at the sides of all planes, a sixteenth wide."""
    _, height, width = coarse.shape
    edge = np.ones(coarse.shape[1:], dtype=bool)
    edge[height // 16 + 1 : -(height // 16 + 1), width // 16 + 1 : -(width // 16 + 1)] = False
    return np.asarray(coarse[:, edge])
