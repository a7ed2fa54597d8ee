"""An offset that was left in or taken off twice: found by the peaks of air and soft tissue.

Only asked when a scan can't be HU. Both peaks must lie where the offset puts them, 1000 HU
apart, with little between and beside them; anything else stays a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pleura.findings import Finding
from pleura.read.histogram import Histogram
from pleura.read.padding import FAR_BELOW_AIR, low_values

_SHIFTS = (-1024, -1000, 1024)  # what to add: rescale lost (12 bit, or +1000), or applied twice
_AIR = (-1045, -955)  # HU; where air's peak must lie
_AIR_RISES = 1.5  # times what lies beside it, on the side of lung
_BELOW_AIR, _MOST_BELOW_AIR = -1150, 0.25  # of what lies at the peak
_PADDING = -1400  # HU; values between it and air may be air of another scale
_LEAST_AIR, _LEAST_TISSUE = 0.02, 0.05
_TISSUE = (-400, 400)  # where soft tissue is searched
_SOFT = (-160, 120)  # fat to contrasted blood
_PEAK = (-135, 90)
_FAT, _MUSCLE, _BETWEEN = -100, 45, -30
_MOST_SOFT = 0.7  # of what lies in _TISSUE
_NEITHER, _MOST_NEITHER = (-600, -250), 0.15
_MOST_BELOW = 0.01
_LUNG, _LEAST_LUNG = (-960, -600), 0.01
_TIE, _CLOSE = 8.0, 16.0  # HU; 1024 is far more usual than 1000


@dataclass(frozen=True)
class Offset:
    """What to add to the stored values, and the stored values that tell."""

    shift: int
    air: int
    tissue: int
    misfit: float  # mean difference from -1000 and from fat or muscle, in HU
    rival: int = 0  # another shift that fits nearly as well
    rises: bool = True  # air has a peak of its own; without, a shift can be a rival only

    @property
    def finding(self) -> Finding:
        lost = "the rescale to HU was missing" if self.shift < 0 else "1024 was subtracted twice"
        done = "subtracted" if self.shift < 0 else "added"
        return Finding(
            "offset_repaired",
            "warn",
            f"Air lay at {self.air} and soft tissue at {self.tissue} instead of -1000 and about "
            f"0 HU, so {lost}" + (f" (perhaps {-self.rival}, 24 HU off)." if self.rival else "."),
            f"{abs(self.shift)} {done}",
        )


def find_offset(histogram: Histogram) -> Offset | None:
    """The one offset that makes HU of a scan's values; None when no one does for certain."""
    fits = [fit for shift in _SHIFTS if (fit := _fit(histogram, shift)) is not None]
    certain = [fit for fit in fits if fit.rises]
    if not certain:
        return None
    least = min(fit.misfit for fit in certain)
    best = next(fit for fit in certain if fit.misfit < least + _TIE)
    close = [fit for fit in fits if fit.misfit < least + _CLOSE]
    return replace(best, rival=next((fit.shift for fit in close if fit is not best), 0))


def _fit(histogram: Histogram, shift: int) -> Offset | None:
    padding = low_values(histogram, shift)
    if any(value + shift > _PADDING for value in padding):
        return None
    hu = histogram.without(padding).shifted(shift)
    tissue = hu.peak(*_TISSUE)
    soft = hu.share(*_SOFT)
    certain = (
        hu.share(*_AIR) >= _LEAST_AIR
        and hu.count(_BELOW_AIR, _AIR[0]) <= _MOST_BELOW_AIR * hu.count(*_AIR)
        and soft >= max(_LEAST_TISSUE, _MOST_SOFT * hu.share(*_TISSUE))
        and _PEAK[0] <= tissue <= _PEAK[1]
        and hu.share(*_NEITHER) <= _MOST_NEITHER
        and hu.share(-40000, FAR_BELOW_AIR) <= _MOST_BELOW
        # Taken off twice, air and lung lie where only padding lies else, so both must be there.
        and (shift < 0 or hu.share(*_LUNG) >= _LEAST_LUNG)
    )
    if not certain:
        return None
    # The least value is where air was cut off, which says little about its level.
    inside = hu.without([int(hu.values()[0])])
    measured = inside.share(*_AIR) >= _LEAST_AIR
    air = (inside if measured else hu).peak(*_AIR)
    rises = hu.count(air - 16, air + 17) >= _AIR_RISES * hu.count(air + 34, air + 67)
    differences = [tissue - (_FAT if tissue < _BETWEEN else _MUSCLE)]
    if measured:
        differences.append(air + 1000)
    misfit = abs(sum(differences) / len(differences))
    return Offset(shift, air - shift, tissue - shift, misfit, rises=rises)
