"""Slices of one orientation -> one ordered stack with its grid, and what is odd about it.

The grid follows DICOM PS3.3 C.7.6.2: columns of the affine are the row direction times the column
spacing, the column direction times the row spacing, and (last - first position) / (n - 1), so a
tilted gantry gives a sheared grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.errors import GeometryError
from pleura.findings import Finding, count_of
from pleura.read.dicom_frames import Slice
from pleura.volume import MOST_VOXELS, Geometry

Vector = npt.NDArray[np.float64]

MAX_SIDE = 8192  # decoders believe a damaged header and fill gigabytes
_SAME_POSITION_MM = 0.01
# Positions are often rounded to 0.1 mm; steps that differ by less are even.
_EVEN_STEP_MM, _EVEN_STEP_FRACTION = 0.11, 0.05
# A sideways drift below this part of a pixel over the whole stack is rounding, not tilt.
_DRIFT_PIXELS = 0.1
_COMPLETE_PHASE = 0.8


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order along their normal, one a position, and the grid they make."""

    slices: tuple[Slice, ...]
    geometry: Geometry
    findings: tuple[Finding, ...]


def plane_axes(orientation: Sequence[float]) -> tuple[Vector, Vector, Vector]:
    """Unit vectors of rows, columns and their normal; the columns made perpendicular to the rows.

    Raises:
        GeometryError: the two directions are zero or not perpendicular.
    """
    row, column = np.asarray(orientation[:3], float), np.asarray(orientation[3:], float)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.5 or abs(row @ column) > 0.01 * lengths[0] * lengths[1]:
        raise GeometryError(
            "The slices' ImageOrientationPatient holds no two perpendicular directions; "
            "export the series again."
        )
    row = row / lengths[0]
    column = column - row * (row @ column)
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def build_stack(slices: Sequence[Slice]) -> Stack:
    """Order slices of one series and orientation, drop duplicates, and derive the grid.

    Raises:
        GeometryError: pixel spacing, orientation or positions are missing or unusable.
    """
    first = slices[0]
    spacing = first.pixel_spacing
    if spacing is None or min(spacing) <= 0:
        raise GeometryError(
            f"The slices have no PixelSpacing (as in '{first.image.path.name}'), so millimetres "
            "are unknown; export the series again with complete headers."
        )
    findings: list[Finding] = []
    if first.orientation is None or any(s.position is None for s in slices):
        if len(slices) > 1:
            raise GeometryError(
                "The slices have no ImagePositionPatient or ImageOrientationPatient, so their "
                "order is unknown; export the series again with complete headers."
            )
        findings.append(
            Finding(
                "position_assumed",
                "warn",
                "The slice does not say where it lies in the patient; "
                "an axial slice of a supine patient at the origin was assumed.",
            )
        )
    row, column, normal = plane_axes(first.orientation or (1, 0, 0, 0, 1, 0))
    ordered, duplicate = _one_a_position(slices, normal)
    findings += duplicate
    positions = np.array([s.position or (0.0, 0.0, 0.0) for s in ordered])
    if len(ordered) > 1:
        axis, stack_findings = _slice_axis(positions, normal, min(spacing))
        findings += stack_findings + _gaps(positions @ normal)
    else:
        step, assumed = _single_slice_step(first)
        axis = normal * step
        findings += assumed
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([row * spacing[1], column * spacing[0], axis])
    affine[:3, 3] = positions[0]
    shape = (len(ordered), first.image.rows, first.image.columns)
    if max(shape[1:]) > MAX_SIDE or np.prod(shape, dtype=float) > MOST_VOXELS:
        raise GeometryError(
            f"The series has {shape[0]} x {shape[1]} x {shape[2]} voxels, more than the limit of "
            f"{MAX_SIDE} a side or {MOST_VOXELS:,} in all; crop or resample it first."
        )
    return Stack(tuple(ordered), Geometry(shape, affine), tuple(findings))


def _one_a_position(slices: Sequence[Slice], normal: Vector) -> tuple[list[Slice], list[Finding]]:
    """Sort along the normal; where slices share a position keep one acquisition, else the first."""
    places: dict[int, list[Slice]] = {}
    depth = {id(s): float(np.dot(s.position or (0, 0, 0), normal)) for s in slices}
    place, previous = -1, -np.inf
    for item in sorted(slices, key=lambda s: (depth[id(s)], s.instance, s.frame)):
        if depth[id(item)] - previous > _SAME_POSITION_MM:
            place += 1
            previous = depth[id(item)]
        places.setdefault(place, []).append(item)
    dropped = len(slices) - len(places)
    if not dropped:
        return [group[0] for group in places.values()], []
    kept, kept_name = _best_phase(places)
    where = "one position" if len(places) == 1 else f"{len(places)} positions"
    message = (
        f"{len(slices)} slices share {where}; {kept_name} kept at each, "
        f"{count_of(dropped, 'slice')} left out."
    )
    if kept_name.startswith("only"):
        message = f"{len(slices)} slices share {where}; {kept_name} was used."
    return kept, [Finding("duplicate_slices", "warn", message)]


def _best_phase(places: dict[int, list[Slice]]) -> tuple[list[Slice], str]:
    """The most complete phase or acquisition (the earliest of equals), if nearly complete."""
    for attribute, name in (("temporal", "temporal position"), ("acquisition", "acquisition")):
        numbers = [{getattr(s, attribute) for s in group} for group in places.values()]
        count = Counter(number for group in numbers for number in group if number is not None)
        if len(count) < 2:
            continue
        best = min(count, key=lambda number: (-count[number], number))
        if count[best] >= _COMPLETE_PHASE * len(places):
            kept = [
                s
                for group in places.values()
                for s in [s for s in group if getattr(s, attribute) == best][:1]
            ]
            return kept, f"only {name} {best} ({count_of(len(kept), 'slice')})"
    return [min(g, key=lambda s: (s.instance, s.frame)) for g in places.values()], "the first was"


def _slice_axis(positions: Vector, normal: Vector, pixel_mm: float) -> tuple[Vector, list[Finding]]:
    """The step from slice to slice (mm, LPS); along the normal unless the stack is sheared."""
    steps = len(positions) - 1
    whole = positions[-1] - positions[0]
    along = float(whole @ normal)
    drift = float(np.linalg.norm(whole - along * normal))
    findings = []
    fraction = ((positions - positions[0]) @ normal / along)[:, None]
    stray = float(np.linalg.norm(positions - positions[0] - fraction * whole, axis=1).max())
    if stray > pixel_mm:
        findings.append(
            Finding(
                "slices_shifted",
                "warn",
                f"Slices lie up to {stray:.1f} mm beside the line through the first and the last; "
                "the mask is placed as if they lay on it.",
            )
        )
    if drift <= _DRIFT_PIXELS * pixel_mm:
        return normal * (along / steps), findings
    angle = np.degrees(np.arctan2(drift, along))
    findings.append(
        Finding(
            "gantry_tilt",
            "warn",
            f"The stack is sheared by {angle:.1f} degrees (gantry tilt); "
            "it is processed on its own grid, which only NIfTI can store.",
        )
    )
    return whole / steps, findings


def _gaps(depths: Vector) -> list[Finding]:
    """Missing slices (a step that is a multiple of the usual one) and other uneven steps."""
    steps = np.diff(depths)
    usual = float(np.median(steps))
    if len(steps) == 2 and np.ptp(steps) > _EVEN_STEP_FRACTION * usual:
        usual = float(steps.min())  # a median of two steps is neither
    tolerance = max(_EVEN_STEP_MM, _EVEN_STEP_FRACTION * usual)
    tolerance = min(tolerance, 0.3 * usual)
    odd = np.flatnonzero(np.abs(steps - usual) > tolerance)
    multiples = np.rint(steps / usual).astype(int)
    holes = [
        k for k in odd if multiples[k] > 1 and abs(steps[k] - multiples[k] * usual) <= 2 * tolerance
    ]
    even = np.linspace(depths[0], depths[-1], len(depths))
    shift = float(np.abs(np.asarray(depths) - even).max())
    findings = []
    if holes:
        missing = int(sum(multiples[k] - 1 for k in holes))
        where = ", ".join(f"{depths[k]:.1f} and {depths[k + 1]:.1f}" for k in holes[:3])
        more = f" and {len(holes) - 3} more places" if len(holes) > 3 else ""
        findings.append(
            Finding(
                "missing_slices",
                "warn",
                f"{count_of(missing, 'slice')} missing between {where} mm{more} along the stack; "
                f"the others are set evenly, up to {shift:.1f} mm from where they were scanned.",
            )
        )
    if len(holes) < len(odd):
        findings.append(
            Finding(
                "uneven_spacing",
                "warn",
                f"The distance between slices varies from {steps.min():.2f} to "
                f"{steps.max():.2f} mm; "
                f"the mean is used everywhere, which moves slices by up to {shift:.1f} mm.",
            )
        )
    return findings


def _single_slice_step(item: Slice) -> tuple[float, list[Finding]]:
    for value in (item.thickness, item.between):
        if value is not None and value > 0:
            return value, []
    return 1.0, [
        Finding(
            "slice_spacing_assumed",
            "warn",
            "The single slice has no thickness; 1 mm was assumed, so volumes can't be trusted.",
        )
    ]
