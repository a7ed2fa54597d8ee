"""Padding: what scanners fill in outside the field of view, and it isn't air.

PixelPaddingValue names it, but not in all files; where it is missing exact values far below air are
found later for all formats (`padding`). Lossy compression blurs them, so that no value is exact;
then all that lies nearer to the padding than to air is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.read.dicom_frames import Slice
from pleura.read.scale import NO_AIR_BELOW
from pleura.volume import AIR_HU, HUArray

# A padding value that would mean tissue in HU is a wrong header entry, not padding.
_TISSUE_FROM_HU, _TISSUE_TO_HU = -900.0, 3000.0
_BLUR_HU = 150  # how far lossy compression moves most of the padding
_MOSTLY = 0.9
_LEAST_SHARE = 0.005
_SOFT_HU, _LEAST_TISSUE = -300, 0.05
_INT16 = np.iinfo(np.int16)


def rescale_of(item: Slice) -> tuple[float, float]:
    """(slope, intercept), 1 and 0 where the header has none."""
    return (
        1.0 if item.slope is None else item.slope,
        0.0 if item.intercept is None else item.intercept,
    )


def names_tissue(item: Slice) -> bool:
    """PixelPaddingValue means tissue in HU."""
    limits = _limits_hu(item)
    return limits is not None and limits[1] > _TISSUE_FROM_HU and limits[0] < _TISSUE_TO_HU


def padding_mask(values: npt.NDArray[Any], item: Slice) -> npt.NDArray[np.bool_] | None:
    """Where one plane (y, x) holds the padding that the header names; None when it names none.

    Args:
        values: as stored.
    """
    limits = _limits_hu(item)
    if limits is None or item.image.padding is None or names_tissue(item):
        return None
    slope, intercept = rescale_of(item)
    low, high = map(float, item.image.padding)
    if item.image.lossy and limits[1] < NO_AIR_BELOW and slope > 0:
        low, high = -np.inf, (_half_way(limits[1]) - intercept) / slope
    mask: npt.NDArray[np.bool_] = (values >= low) & (values <= high)
    return mask


def blurred_padding(hu: HUArray, slices: Sequence[Slice]) -> int:
    """Set padding that no header names, blurred by lossy compression, to air.

    Args:
        hu: (z, y, x), changed in place.

    Returns:
        How many voxels were padding.
    """
    if not all(item.image.lossy for item in slices):
        return 0
    low = hu[hu < NO_AIR_BELOW].astype(np.int32)
    if low.size < _LEAST_SHARE * hu.size:
        return 0
    level = int(np.argmax(np.bincount(low - _INT16.min))) + _INT16.min
    if np.mean(np.abs(low - level) <= _BLUR_HU) < _MOSTLY:
        return 0
    if np.count_nonzero(hu > _SOFT_HU) < _LEAST_TISSUE * hu.size:
        return 0  # the low level is air, in a scan that lies too low as a whole
    mask = hu < _half_way(level)
    hu[mask] = AIR_HU
    return int(np.count_nonzero(mask))


def _half_way(padding_hu: float) -> float:
    return (padding_hu + AIR_HU) / 2


def _limits_hu(item: Slice) -> tuple[float, float] | None:
    """The padding range in HU, in order."""
    if item.image.padding is None:
        return None
    slope, intercept = rescale_of(item)
    low, high = sorted(value * slope + intercept for value in item.image.padding)
    return low, high
