"""Are these Hounsfield units? -> int16, or one sentence that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.body import BODY_HU, coarse_body, strides
from pleura.errors import IntensityError
from pleura.findings import Finding
from pleura.read.scale import check_scale
from pleura.volume import HUArray, Volume

AIR_HU = -1024
_INT16 = np.iinfo(np.int16)
_MIDDLE, _LOST_MIDDLE, _TISSUE_RIM = 0.8, 0.05, 0.1  # radius of the frame, shares
_OBLIQUE_DEGREES = 5.0
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
        return np.clip(array, _INT16.min, _INT16.max).astype(np.int16), ()
    if array.dtype.kind != "f":
        raise IntensityError(
            f"{where} holds {array.dtype} values instead of HU; give the CT image itself."
        )
    finite = np.isfinite(array)
    if not finite.all() and finite.any():
        # Before the lost voxels become air: air would make a picture look like HU.
        numbers = array[finite]
        _check_range(float(numbers.min()), float(numbers.max()), where)
    hu = np.clip(np.where(finite, np.round(array), AIR_HU), _INT16.min, _INT16.max).astype(np.int16)
    if finite.all():
        return hu, ()
    lost = ~finite
    count = int(lost.sum())
    if lost.all() or _inside_body(hu, lost):
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


def _inside_body(hu: HUArray, lost: npt.NDArray[np.bool_]) -> bool:
    """True when lost voxels lie in the body's hull in their slice, or a whole slice is lost."""
    if lost.all(axis=(1, 2)).any() or _cuts_tissue(hu, lost):
        return True
    step_z, step_y, step_x = strides(hu.shape)
    # A lost block must not shrink the body, so it counts as body when the hull is taken.
    body = coarse_body(np.where(lost, np.int16(0), hu))
    kept = coarse_body(hu)
    if not kept.any():
        kept = body
    left = np.logical_or.accumulate(kept, axis=2)
    right = np.logical_or.accumulate(kept[:, :, ::-1], axis=2)[:, :, ::-1]
    front = np.logical_or.accumulate(kept, axis=1)
    back = np.logical_or.accumulate(kept[:, ::-1], axis=1)[:, ::-1]
    hull = left & right & front & back
    z, y, x = np.nonzero(lost)
    coarse = tuple(
        np.minimum(i // step, n - 1)
        for i, step, n in zip((z, y, x), (step_z, step_y, step_x), hull.shape, strict=True)
    )
    return bool(hull[coarse].any())


def _cuts_tissue(hu: HUArray, lost: npt.NDArray[np.bool_]) -> bool:
    """True when, in a slice, much of the frame's middle is lost and the loss borders on tissue.

    A round field of view loses corners only; a loss that takes half of the body shrinks the hull
    above with it, but ends in tissue.
    """
    _, height, width = hu.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    middle = np.hypot(y, x) < _MIDDLE
    for slice_hu, slice_lost in zip(hu, lost, strict=True):
        if slice_lost[middle].mean() < _LOST_MIDDLE:
            continue
        rim = np.zeros_like(slice_lost)
        rim[1:] |= slice_lost[:-1]
        rim[:-1] |= slice_lost[1:]
        rim[:, 1:] |= slice_lost[:, :-1]
        rim[:, :-1] |= slice_lost[:, 1:]
        rim &= ~slice_lost
        if rim.any() and (slice_hu[rim] > BODY_HU).mean() > _TISSUE_RIM:
            return True
    return False


def checked(volume: Volume) -> Volume:
    """The volume with findings about its scale and grid; refused when it can't be HU.

    Raises:
        IntensityError: constant, an 8-bit picture, a range or scale far from CT's.
    """
    where = "The scan" if volume.source is None else str(volume.source)
    _check_range(float(volume.array.min()), float(volume.array.max()), where)
    scale = check_scale(volume.array, where)
    return volume.with_findings(*scale, *_grid_findings(volume))


def _grid_findings(volume: Volume) -> tuple[Finding, ...]:
    """Grids that don't follow the patient's axes are processed on their voxels, and said."""
    geometry = volume.geometry
    if not geometry.is_orthogonal:
        if any(finding.code == "gantry_tilt" for finding in volume.findings):
            return ()
        message = "The voxel grid is sheared; it was processed on its voxels as they lie."
        return (Finding("sheared_grid", "warn", message),)
    cosines = np.abs(geometry.direction_lps).max(axis=0)
    degrees = float(np.rad2deg(np.arccos(np.clip(cosines.min(), 0, 1))))
    if degrees < _OBLIQUE_DEGREES:
        return ()
    message = f"The voxel grid is turned by {degrees:.0f} degrees from the patient's axes."
    return (Finding("oblique_grid", "note", message),)


def _check_range(low: float, high: float, where: str) -> None:
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
    if low >= 0:
        raise IntensityError(
            f"{where} has no value below 0 (from {low:g} to {high:g}), so its rescale to HU is "
            "missing; convert it again with slope and intercept (often -1024)."
        )
