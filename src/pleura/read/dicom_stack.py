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
from pleura.findings import Finding, Severity, count_of
from pleura.read.dicom_frames import Slice
from pleura.read.dicom_spacing import diameter_findings, spacing_findings
from pleura.read.limits import check_grid
from pleura.volume import Geometry

Vector = npt.NDArray[np.float64]

_SAME_POSITION_MM = 0.01
# A sideways drift below this part of a pixel over the whole stack is rounding, not tilt.
_DRIFT_PIXELS = 0.1
_COMPLETE_PHASE = 0.8
_POSITIONS_LOST = 8  # slices at one position: hardly a single place scanned so often


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
    findings = [*_assumptions(slices, spacing), *diameter_findings(first, spacing)]
    row, column, normal = plane_axes(first.orientation or (1, 0, 0, 0, 1, 0))
    ordered, duplicate = _one_a_position(slices, normal)
    findings += duplicate
    positions = np.array([s.position or (0.0, 0.0, 0.0) for s in ordered])
    if len(ordered) > 1:
        axis, stack_findings = _slice_axis(positions, normal, min(spacing))
        findings += [*stack_findings, *spacing_findings(ordered, positions @ normal)]
        findings += _unordered(ordered)
    else:
        step, assumed = _single_slice_step(first)
        axis = normal * step
        findings += assumed
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([row * spacing[1], column * spacing[0], axis])
    affine[:3, 3] = positions[0]
    shape = (len(ordered), first.image.rows, first.image.columns)
    check_grid(shape, "The series")
    return Stack(tuple(ordered), Geometry(shape, affine), tuple(findings))


def _assumptions(slices: Sequence[Slice], spacing: Sequence[float]) -> list[Finding]:
    """What stands in for missing attributes; GeometryError where nothing can."""
    first = slices[0]
    findings = []
    if first.spacing_from:
        findings.append(
            Finding(
                "pixel_spacing_assumed",
                "warn",
                f"PixelSpacing is missing; {first.spacing_from} gave {spacing[0]:.3g} x "
                f"{spacing[1]:.3g} mm instead, so check the volumes.",
                f"pixel spacing from {first.spacing_from}",
            )
        )
    if first.orientation is not None and all(s.position is not None for s in slices):
        return findings
    if len(slices) > 1:
        raise GeometryError(
            "The slices have no ImagePositionPatient or ImageOrientationPatient, so their "
            "order is unknown; export the series again with complete headers."
        )
    return [
        *findings,
        Finding(
            "position_assumed",
            "warn",
            "The slice does not say where it lies in the patient; "
            "an axial slice of a supine patient at the origin was assumed.",
        ),
    ]


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
    where = f"{len(places)} positions"
    if len(places) == 1:
        where = f"one position ({depth[id(slices[0])]:.1f} mm)"
    message = (
        f"{len(slices)} slices share {where}; {kept_name} kept at each, "
        f"{count_of(dropped, 'slice')} left out."
    )
    if kept_name.startswith("only"):
        message = f"{len(slices)} slices share {where}; {kept_name} was used."
    severity: Severity = "warn"
    if len(places) == 1 and len(slices) >= _POSITIONS_LOST:
        severity = "fail"
        message = f"{message[:-1]}, for positions were probably lost; export the series again."
    return kept, [
        Finding("duplicate_slices", severity, message, f"{count_of(dropped, 'slice')} left out")
    ]


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


def _unordered(slices: Sequence[Slice]) -> list[Finding]:
    """A note when InstanceNumbers neither rise nor fall along the stack; frames have none."""
    numbers = np.array([s.instance for s in slices])
    if len(set(numbers.tolist())) < len(numbers):
        return []
    steps = np.diff(numbers)
    against = int(min((steps > 0).sum(), (steps < 0).sum()))
    if not against:
        return []
    return [
        Finding(
            "unordered_slices",
            "note",
            f"The slices are not numbered in the order of their positions ({against} of "
            f"{len(steps)} steps run the other way); positions were followed.",
            "sorted by position",
        )
    ]


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
