"""Does the patient lie as the header says? Evidence from the image itself, against the header.

All of it is seen on a coarse sample with lungs of any origin, so it needs no network:

- **liver**: next to the lowest part of the lungs there is more soft tissue on the patient's right.
- **recess**: the lungs' lowest part lies far back, behind the diaphragm's dome.
- **apex**: the lungs' highest part lies in the middle between front and back.

A header that exchanges left and right contradicts the liver; front and back, the recess; a turn by
180 degrees about the long axis (prone filed as supine), both; head and feet, recess and apex. How
far normal patients are from the limits stands beside these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.findings import Finding
from pleura.quality.sample import BoolArray, Sample

_END = 0.15  # of the lungs' height: what counts as their lowest and highest part
_LEAST_HEIGHT_MM = 120.0  # of lungs that can be judged
_CUT_SHARE = 0.15  # of the largest slice's area: an end that is cut there isn't seen
_SOFT_HU = (0, 200)
# Usual: liver 0.10 to 0.24, recess 0.67 to 0.77, apex 0.53 to 0.59.
_LIVER = 0.05
_FAR_BACK, _FAR_FRONT = 0.62, 0.38
_MIDDLE = 0.11


@dataclass(frozen=True)
class Evidence:
    """What the image says about how the patient lies; `nan` where it says nothing.

    Args:
        liver: (right - left) / (right + left) of soft tissue beside and below the lungs' lowest
            part.
        recess, apex: where the lungs' lowest and highest part lie between the body's front (0) and
            back (1).
    """

    liver: float
    recess: float
    apex: float


def evidence(sample: Sample, lung: BoolArray) -> Evidence:
    """Look at both ends of the lungs, as far as the scan shows them.

    Args:
        sample: of the scan.
        lung: (z, y, x) booleans on the sample's grid, of a network or a threshold.
    """
    nan = float("nan")
    places = np.flatnonzero(lung.any(axis=(1, 2)))
    if not len(places) or len(places) * sample.spacing[0] < _LEAST_HEIGHT_MM:
        return Evidence(nan, nan, nan)
    first, last = int(places[0]), int(places[-1])
    end = max(1, round(_END * (last - first)))
    box = sample.box
    liver = recess = apex = nan
    area = np.count_nonzero(lung, axis=(1, 2))
    if area[0] < _CUT_SHARE * area.max():
        recess = _depth(lung[first : first + end], box.y0, box.y1)
        liver = _liver(sample.hu[: first + end], (box.x0 + box.x1) / 2)
    if area[-1] < _CUT_SHARE * area.max():
        apex = _depth(lung[last - end + 1 : last + 1], box.y0, box.y1)
    return Evidence(liver, recess, apex)


def _depth(part: BoolArray, front: float, back: float) -> float:
    rows = np.count_nonzero(part, axis=(0, 2))
    middle = float(np.average(np.arange(len(rows)), weights=rows))
    return float((middle - front) / (back - front))


def _liver(hu: npt.NDArray[np.int16], middle: float) -> float:
    low, high = _SOFT_HU
    columns = np.count_nonzero((hu > low) & (hu < high), axis=(0, 1))
    is_right = np.arange(len(columns)) < middle
    right, left = int(columns[is_right].sum()), int(columns[~is_right].sum())
    return (right - left) / max(1, right + left)


def anatomy_findings(seen: Evidence) -> tuple[Finding, ...]:
    """At most one warning: how the image contradicts the header."""
    liver_left, liver_right = seen.liver < -_LIVER, seen.liver > _LIVER
    side = "left" if liver_left else "right"
    liver = f"the liver seems to lie on the patient's {side} (asymmetry {abs(seen.liver):.2f})"
    recess = f"the lungs' lowest part lies in front ({seen.recess:.2f} of the way to the back)"
    if abs(seen.recess - 0.5) < _MIDDLE and abs(seen.apex - 0.5) > 0.5 - _FAR_FRONT:
        # Upside down, the ends are exchanged; which side the liver is on can't be told then.
        message = (
            "Head and feet may be exchanged: the upper end of the lungs looks like their base "
            f"({seen.apex:.2f} of the way to the back, the lower end {seen.recess:.2f}); compare "
            "with the header."
        )
        return (Finding("upside_down", "warn", message),)
    if seen.recess < _FAR_FRONT and not liver_right:
        also = f", and {liver}" if liver_left else ""
        message = (
            f"The patient may lie the other way round than the header says: {recess}{also}; a "
            "prone scan filed as supine looks so, and sides would be exchanged."
        )
        return (Finding("turned_over", "warn", message),)
    if seen.recess < _FAR_FRONT:
        message = (
            f"Front and back may be exchanged: {recess}, though {liver}; compare with the header."
        )
        return (Finding("front_back_exchanged", "warn", message),)
    if liver_left:
        message = (
            f"Left and right may be exchanged: {liver}; the sides follow the header, and situs "
            "inversus is the other reading."
        )
        return (Finding("sides_against_anatomy", "warn", message),)
    return ()
