"""What is odd about the distances between the slices of a stack.

A mask stays on the scan's grid, which has one spacing, so uneven slices are set evenly and that is
said with numbers. Where two distances alternate (1 and 9 mm), the mean is what the trapezoidal rule
would weigh each slice with, so volumes hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pleura.findings import Finding, Severity, count_of
from pleura.read.dicom_frames import Slice

Vector = npt.NDArray[np.float64]

# Positions are often rounded to 0.1 mm; steps that differ by less are even.
_EVEN_STEP_MM, _EVEN_STEP_FRACTION = 0.11, 0.05
_MOSTLY_MISSING = 0.25  # of the slices: nothing measured in such a stack can be trusted
_HOLES_AS_PATTERN = 1 / 3  # of the steps: so many holes are a protocol, not a loss
_CONTRADICTION = 1.5  # between a header's distance and that of the positions
_DIAMETER_FRACTION = 0.2  # by which a picture may differ from its ReconstructionDiameter
_LEAST_ALTERNATING = 4  # steps
_MOST_NAMED = 3


def spacing_findings(slices: Sequence[Slice], depths: Vector) -> list[Finding]:
    """Missing slices, uneven steps, gaps between thin slices, a header that says otherwise.

    Args:
        slices: two or more, in order.
        depths: their positions along the normal, rising, in mm.
    """
    steps = np.diff(depths)
    usual = _usual_step(steps)
    return [
        *_uneven(slices, depths, usual),
        *_gap(slices, steps),
        *_conflict(slices, usual, float(steps.mean())),
    ]


def _usual_step(steps: Vector) -> float:
    usual = float(np.median(steps))
    if len(steps) == 2 and np.ptp(steps) > _EVEN_STEP_FRACTION * usual:
        return float(steps.min())  # a median of two steps is neither
    return usual


def _tolerance(usual: float) -> float:
    return min(max(_EVEN_STEP_MM, _EVEN_STEP_FRACTION * usual), 0.3 * usual)


def _uneven(slices: Sequence[Slice], depths: Vector, usual: float) -> list[Finding]:
    steps = np.diff(depths)
    tolerance = _tolerance(usual)
    odd = np.flatnonzero(np.abs(steps - usual) > tolerance)
    if not len(odd):
        return []
    even = np.linspace(depths[0], depths[-1], len(depths))
    shift = float(np.abs(depths - even).max())
    alternating = _alternating(steps)
    if alternating is not None:
        return [
            Finding(
                "uneven_spacing",
                "warn",
                f"The distance between slices alternates between {alternating[0]:.2f} and "
                f"{alternating[1]:.2f} mm; the mean of {steps.mean():.2f} mm is used everywhere, "
                f"which keeps volumes but moves slices by up to {shift:.1f} mm.",
                "set evenly",
            )
        ]
    multiples = np.rint(steps / usual).astype(int)
    holes = [
        int(k)
        for k in odd
        if multiples[k] > 1 and abs(steps[k] - multiples[k] * usual) <= 2 * tolerance
    ]
    if len(holes) > _HOLES_AS_PATTERN * len(steps) and len(steps) >= _LEAST_ALTERNATING:
        holes = []
    lost = [k for k in holes if not _numbers_run_on(slices[k], slices[k + 1])]
    findings = []
    if lost:
        missing = int(sum(multiples[k] - 1 for k in lost))
        severity: Severity = "warn"
        if missing > _MOSTLY_MISSING * (missing + len(slices)):
            severity = "fail"
        findings.append(
            Finding(
                "missing_slices",
                severity,
                f"{count_of(missing, 'slice')} missing between {_places(lost, depths)} mm along "
                f"the stack; the others are set evenly, up to {shift:.1f} mm from where they were "
                "scanned.",
                "set evenly",
            )
        )
    if len(lost) < len(odd):
        gaps = [k for k in holes if k not in lost]
        if len(gaps) == len(odd):
            what = (
                f"is {usual:.2f} mm, but {_steps_at(gaps, steps)} mm between "
                f"{_places(gaps, depths)} mm, where the slices' numbers run on"
            )
        else:
            what = f"varies from {steps.min():.2f} to {steps.max():.2f} mm{_counts(steps)}"
        findings.append(
            Finding(
                "uneven_spacing",
                "warn",
                f"The distance between slices {what}; the mean of {steps.mean():.2f} mm is used "
                f"everywhere, which moves slices by up to {shift:.1f} mm.",
                "set evenly",
            )
        )
    return findings


def _alternating(steps: Vector) -> tuple[float, float] | None:
    """The two distances (mm) that take turns, the smaller one first."""
    if len(steps) < _LEAST_ALTERNATING:
        return None
    first, second = (float(np.median(steps[k::2])) for k in (0, 1))
    small, large = sorted((first, second))
    if large - small <= _tolerance(large):
        return None
    for usual, part in ((first, steps[::2]), (second, steps[1::2])):
        if np.abs(part - usual).max() > _tolerance(usual):
            return None
    return small, large


def _numbers_run_on(before: Slice, after: Slice) -> bool:
    """InstanceNumbers follow each other, so the gap was scanned so, or all were renumbered."""
    return abs(after.instance - before.instance) == 1


def _places(holes: Sequence[int], depths: Vector) -> str:
    named = ", ".join(f"{depths[k]:.1f} and {depths[k + 1]:.1f}" for k in holes[:_MOST_NAMED])
    more = len(holes) - _MOST_NAMED
    return named + (f" and {more} more places" if more > 0 else "")


def _steps_at(holes: Sequence[int], steps: Vector) -> str:
    return ", ".join(f"{steps[k]:.2f}" for k in holes[:_MOST_NAMED])


def _counts(steps: Vector) -> str:
    """` (1.00 mm 40 times, 5.00 mm once)` where few distances make all steps, else nothing."""
    found = Counter(round(float(step), 1) for step in steps)
    if len(found) > _MOST_NAMED:
        return ""
    named = [
        f"{step:.2f} mm {'once' if count == 1 else f'{count} times'}"
        for step, count in found.most_common()
    ]
    return f" ({', '.join(named)})"


def _gap(slices: Sequence[Slice], steps: Vector) -> list[Finding]:
    """Slices thinner than they lie apart; overlap is usual and not said."""
    thickness = _median([s.thickness for s in slices])
    if thickness <= 0:
        return []
    scanned = float(np.minimum(steps, thickness).sum() / steps.sum())
    if scanned > 1 / _CONTRADICTION:
        return []
    return [
        Finding(
            "slice_gap",
            "note",
            f"Slices are {thickness:.2f} mm thick and lie {steps.mean():.2f} mm apart on average, "
            f"so {100 * (1 - scanned):.0f} % of the length was not scanned.",
        )
    ]


def _conflict(slices: Sequence[Slice], usual: float, mean: float) -> list[Finding]:
    claimed = _median([None if s.between is None else abs(s.between) for s in slices])
    if claimed <= 0 or any(
        max(claimed, step) <= _CONTRADICTION * min(claimed, step) for step in (usual, mean)
    ):
        return []
    return [
        Finding(
            "spacing_conflict",
            "warn",
            f"The header's SpacingBetweenSlices is {claimed:.2f} mm, but the slices' positions are "
            f"{usual:.2f} mm apart; the positions were used, so check the volumes.",
        )
    ]


def diameter_findings(first: Slice, spacing: Sequence[float]) -> list[Finding]:
    """PixelSpacing (rows, columns; mm) against ReconstructionDiameter, PS3.3 C.8.2.1.

    Cropped or resampled images, which are derived, may keep the diameter of what they came from.
    """
    image, diameter = first.image, first.diameter or 0.0
    extents = image.rows * spacing[0], image.columns * spacing[1]
    if image.image_type[:1] != ("ORIGINAL",) or diameter <= 0 or min(extents) <= 0:
        return []
    # Of a picture that is not square, either side may be meant.
    if any(abs(extent / diameter - 1) <= _DIAMETER_FRACTION for extent in extents):
        return []
    name = first.spacing_from or "PixelSpacing"
    return [
        Finding(
            "spacing_conflict",
            "warn",
            f"{image.columns} columns of {spacing[1]:.3g} mm ({name}) make {extents[1]:.0f} mm, "
            f"but the header's ReconstructionDiameter is {diameter:.0f} mm; {name} was used, so "
            "check the volumes.",
        )
    ]


def _median(values: Sequence[float | None]) -> float:
    """Of the values that are there; 0 when none is."""
    found = [value for value in values if value is not None]
    return float(np.median(found)) if found else 0.0
