"""Find what is wrong with a scan's units, and put right what is certain: offsets and padding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pleura.errors import IntensityError
from pleura.findings import Finding
from pleura.preprocess import Orientation
from pleura.read import padding as pads
from pleura.read.clipped import clipped_problem, clipped_range, clipping
from pleura.read.histogram import Histogram
from pleura.read.intensity import check_range, no_negative
from pleura.read.offset import Offset, find_offset
from pleura.read.padding import Padding
from pleura.read.rescale import shift_to_hu
from pleura.read.scale import is_inverted, scale_problem
from pleura.volume import AIR_HU, HUArray, Volume

_INT16 = np.iinfo(np.int16)
_AGAIN = "convert it again with slope and intercept (often -1024)"


@dataclass(frozen=True)
class Repair:
    """What to do to a scan.

    Args:
        shift: to add to every voxel.
        padding: what to replace by air before.
        findings: what was noticed about the units; `applied` adds how much padding there was.
        greatest: the highest HU of the scan once it is put right.
        air_is_measured: False where the scan was cut off above the level of air.
    """

    shift: int = 0
    padding: Padding = field(default_factory=Padding)
    findings: tuple[Finding, ...] = ()
    greatest: int = 0
    air_is_measured: bool = True

    @property
    def changes(self) -> bool:
        """True when voxels are changed."""
        return bool(self.shift or self.padding)

    def applied(self, volume: Volume, orientation: Orientation) -> Volume:
        """The volume put right; as it is when there is nothing to do.

        The voxels of a scan from a file are changed in place, those of the caller's own array in
        a copy.
        """
        found, array = self.findings, volume.array
        if self.changes and not (volume.source and array.flags.writeable):
            array = array.copy()
        if self.padding:
            canonical: HUArray = orientation.apply(array)  # type: ignore[assignment]
            count = self.padding.fill(canonical, AIR_HU - self.shift)
            found = (*found, pads.filled(count, array.size, self.padding.known))
        if self.shift and not shift_to_hu(array, 1, self.shift, array):
            for plane in array:  # some values would leave int16
                plane[:] = np.clip(plane.astype(np.int32) + self.shift, _INT16.min, _INT16.max)
        return replace(volume, array=array, findings=volume.findings + found)


def find_repair(volume: Volume, orientation: Orientation, coarse: HUArray, where: str) -> Repair:
    """What makes HU of a scan's values.

    Args:
        orientation: how the patient's axes lie in the volume's array.
        coarse: the canonical array on the coarse grid of `pleura.body`.
        where: what to call the scan in messages.

    Raises:
        IntensityError: constant, a picture, a range or scale that no certain offset explains,
            inverted, or clipped to a window that hides lungs.
    """
    low, high = int(volume.array.min()), int(volume.array.max())
    check_range(low, high, where)
    whole = histogram = Histogram.of(volume.array)
    canonical: HUArray = orientation.apply(volume.array)  # type: ignore[assignment]
    corner = pads.corner_value(canonical)
    outside = None
    if corner is not None and pads.like_tissue(corner, 0):
        spacing = orientation.geometry(volume.geometry).spacing_zyx_mm
        outside = pads.outside_circle(canonical, corner, spacing[1:])
        if outside is not None:
            histogram = histogram.without([corner])
    values = pads.low_values(histogram)
    measured = histogram.without(values)
    if not measured.total:
        return Repair(greatest=high)
    if values:
        low = int(measured.values()[0])
    if is_inverted(measured, coarse, values if corner is None else (*values, corner)):
        raise IntensityError(
            f"{where} is inverted (air is bright, the body dark); "
            "convert it again with the values as the scanner gave them."
        )
    problem = no_negative(low, high) if low >= 0 else scale_problem(measured)
    # Of the least value the offset's search knows that air may have been cut off there.
    is_least = corner is not None and corner < measured.values()[0]
    searched = whole if is_least else histogram
    offset = _certain_offset(searched, measured, problem, where) if problem else None
    shift = 0 if offset is None else offset.shift
    findings = [] if offset is None else [offset.finding]
    if shift:
        values = pads.low_values(histogram, shift)
        measured = histogram.without(values)
    limits = clipping(measured.shifted(shift))
    _refuse_windows(limits, where)
    if limits is not None:
        findings.append(clipped_range(limits))
    padding = Padding(values)
    if corner is not None and pads.like_tissue(corner, shift):
        if outside is not None:
            padding = Padding(values, corner, outside)
        elif corner > measured.values()[0]:  # the least value is air that was cut off
            findings += pads.constant_corners(canonical, corner)
    air_is_measured = limits is None or limits[0] == -np.inf
    return Repair(shift, padding, tuple(findings), high + shift, air_is_measured)


def _certain_offset(histogram: Histogram, measured: Histogram, problem: str, where: str) -> Offset:
    """The offset that explains the problem; raises IntensityError when there is none."""
    offset = find_offset(histogram)
    if offset is not None:
        return offset
    if measured.values()[0] < 0:
        _refuse_windows(clipping(measured), where)
    first, second = measured.peaks()
    raise IntensityError(
        f"{where} {problem}, and its peaks at {first} and {second} don't tell the offset; {_AGAIN}."
    )


def _refuse_windows(limits: tuple[float, float] | None, where: str) -> None:
    problem = None if limits is None else clipped_problem(limits)
    if problem:
        raise IntensityError(f"{where} {problem}; give the original CT.")
