"""Are these Hounsfield units? -> int16, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.errors import IntensityError
from pleura.findings import Finding
from pleura.read.lost_voxels import inside_body
from pleura.volume import AIR_HU, HUArray

_INT16 = np.iinfo(np.int16)
_SLICES = 16  # turned into HU at once
_LEAST_RANGE = 50  # normalised intensities; a scan of air alone spans more


def to_hu(array: npt.NDArray[Any], where: str) -> tuple[HUArray, tuple[Finding, ...]]:
    """Numbers of any type -> int16 HU (rounded, clipped to int16's range).

    Args:
        array: (z, y, x).
        where: what to call the scan in messages.

    Raises:
        IntensityError: complex or boolean numbers, or non-finite voxels inside the body.
    """
    if array.dtype == np.int16:
        return np.ascontiguousarray(array), ()
    if array.dtype.kind in "iu":
        hu = np.empty(array.shape, dtype=np.int16)
        for part in _parts(len(array)):
            hu[part] = np.clip(array[part], _INT16.min, _INT16.max)
        return hu, ()
    if array.dtype.kind != "f":
        raise IntensityError(
            f"{where} holds {array.dtype} values instead of HU; give the CT image itself."
        )
    return _from_floats(array, where)


def _parts(slices: int) -> Iterator[slice]:
    """Some slices at a time: copies of all of them would take gigabytes."""
    for start in range(0, slices, _SLICES):
        yield slice(start, start + _SLICES)


def _from_floats(
    array: npt.NDArray[np.floating[Any]], where: str
) -> tuple[HUArray, tuple[Finding, ...]]:
    hu = np.empty(array.shape, dtype=np.int16)
    lost: npt.NDArray[np.bool_] | None = None
    low, high = np.inf, -np.inf
    for part in _parts(len(array)):
        values = np.round(array[part])
        finite = np.isfinite(values)
        if not finite.all():
            if lost is None:
                lost = np.zeros(array.shape, dtype=bool)
            lost[part] = ~finite
            values[~finite] = AIR_HU
        if finite.any():
            numbers = array[part][finite]
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
        hu[part] = np.clip(values, _INT16.min, _INT16.max)
    if lost is None:
        return hu, ()
    if low <= high:  # lost voxels became air, and air would make a picture look like HU
        check_range(low, high, where)
        if low >= 0:
            raise IntensityError(
                f"{where} {no_negative(low, high)}; convert it again with slope and intercept "
                "(often -1024)."
            )
    count = int(np.count_nonzero(lost))
    if lost.all() or inside_body(hu, lost):
        raise IntensityError(
            f"{where} has {count} voxels without a number (NaN or infinity) inside the body; "
            "repair or convert the scan again."
        )
    return hu, (
        Finding(
            "non_finite_outside_body",
            "warn",
            f"{count} voxels outside the body had no number (NaN or infinity); taken as air.",
        ),
    )


def check_range(low: float, high: float, where: str) -> None:
    """Refuse numbers whose least and greatest can't be HU, with any offset (IntensityError)."""
    if low == high:
        raise IntensityError(f"{where} has the same value ({low:g}) everywhere; it holds no image.")
    if low >= 0 and high <= 255:
        raise IntensityError(
            f"{where} holds values from {low:g} to {high:g}, an 8-bit picture or a mask without "
            "HU; give the original CT."
        )
    if high - low < _LEAST_RANGE:
        raise IntensityError(
            f"{where} spans only {low:g} to {high:g}, too little for HU (was it normalised?); "
            "give the original CT."
        )


def no_negative(low: float, high: float) -> str:
    """What a least value of 0 or more says, as the middle of a sentence."""
    return f"has no value below 0 (from {low:g} to {high:g}), so its rescale to HU is missing"
