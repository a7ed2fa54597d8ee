"""Scans that were clipped to a window: much at the least or at the greatest value.

Limits were measured on four train and validation volumes that were clipped and segmented, against
the mask of the whole range: Dice at least 0.99 from -1350..150, -700..400 or -1000..-100; 0.988
from -1200..-200; 0.97 to 0.98 from -1024..-400; 0.93 to 0.99 from -500..400; nothing from
-160..240.
"""

from __future__ import annotations

import numpy as np

from pleura.findings import Finding
from pleura.read.histogram import Histogram

_LEAST_SHARE = 0.0005  # at the end of the range
_AIRS_WIDTH = 100  # HU
_MUCH = 0.05  # at a range's end that isn't air; there twice as many will do
_STEEP, _NEAREST = 4, 3  # times as many as at any of the three values beside it
_NO_LOSS = (-850, 600)  # below lung; where the network's window ends
_GOOD = (-700, -150)
_USABLE = (-600, -400)  # the least may not be above, the greatest not below


def clipping(histogram: Histogram) -> tuple[float, float] | None:
    """Where the range (without padding) was cut off, ±inf at an end that wasn't; None if not."""
    values = histogram.values()
    if len(values) < 3:
        return None
    least, greatest = int(values[0]), int(values[-1])
    cut_low = least > _NO_LOSS[0] and _is_wall(histogram, least, +1)
    cut_high = greatest <= _NO_LOSS[1] and _is_wall(histogram, greatest, -1)
    if not (cut_low or cut_high):
        return None
    return (least if cut_low else -np.inf), (greatest if cut_high else np.inf)


def clipped_problem(limits: tuple[float, float]) -> str | None:
    """Why so clipped a scan can't be segmented, as the middle of a sentence."""
    low, high = limits
    if low > _USABLE[0]:
        return f"was clipped to values from {low:.0f} HU, so lung and air can't be told from fat"
    if high < _USABLE[1]:
        return f"was clipped to values up to {high:.0f} HU, so lung can't be told from tissue"
    return None


def clipped_range(limits: tuple[float, float]) -> Finding:
    """What is lost by a clipping that leaves the lungs' border."""
    low, high = limits
    ends = [f"{name} {value:.0f} HU" for name, value in (("at", low), ("at", high))
            if np.isfinite(value)]  # fmt: skip
    lost = [
        what for what, gone in (("lung densities", low > _NO_LOSS[0]), ("dense tissue", high < 400))
        if gone
    ] or ["bone"]  # fmt: skip
    good = low <= _GOOD[0] and high >= _GOOD[1]
    return Finding(
        "clipped_range",
        "note" if good else "warn",
        f"Values were cut off {' and '.join(ends)} (a window), so {' and '.join(lost)} can't be "
        f"measured{'' if good else ', and the edges of lungs are less sure'}.",
    )


def _is_wall(histogram: Histogram, end: int, inwards: int) -> bool:
    count = histogram.at(end)
    # Air that only noise took to the least stored value isn't cut off there, but shifted.
    if inwards > 0 and count < 0.5 * histogram.count(end, end + _AIRS_WIDTH):
        return False
    values = histogram.values()
    beside = values[1 : 1 + _NEAREST] if inwards > 0 else values[-1 - _NEAREST : -1]
    highest = max(histogram.at(int(value)) for value in beside)
    share = count / histogram.total
    steep = _STEEP if share < _MUCH else 2
    return share >= _LEAST_SHARE and count >= steep * highest
