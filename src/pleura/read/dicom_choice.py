"""Which of several DICOM series is the chest CT to segment."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from pleura.errors import InputError, NotCTError, UnreadableError, UsageError
from pleura.findings import count_of
from pleura.read.dicom_series import Series, listing_order
from pleura.read.dicom_usable import not_ct_sentence

_CHEST = re.compile(r"chest|thora|torax|lung|pulm|poumon|brust", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"head|brain|skull|sinus|neck|abd|pelvi|liver|kidney|spine|knee|foot|leg\b|hand\b|extrem",
    re.IGNORECASE,
)
_CHEST_COVERAGE_MM = 100.0
_ENOUGH_COVERAGE_MM = 400.0


_Rule = tuple[Callable[[Series], str], Callable[[Series, Sequence[Series]], bool]]


def _region_rank(series: Series) -> int:
    for text in (series.description, series.region):
        if _CHEST.search(text):
            return 2
        if _ELSEWHERE.search(text):
            return 0
    return 1


def _thickness(series: Series) -> float:
    spacing = series.spacing_zyx_mm[0] if series.spacing_zyx_mm else 0.0
    return round(max(series.slice_thickness_mm or 0.0, spacing), 1)


def _coverage(series: Series) -> float:
    return min(series.coverage_mm, _ENOUGH_COVERAGE_MM)


# Each rule keeps the series for which it holds, unless it would keep none. The text is what is
# said of those that it drops.
_RULES: tuple[_Rule, ...] = (
    (lambda s: "derived, while an original exists", lambda s, pool: not s.derived),
    (lambda s: f"{s.orientation}, not axial", lambda s, pool: s.orientation == "axial"),
    (lambda s: "fewer than 3 slices", lambda s, pool: s.n_slices >= 3),
    (
        lambda s: f"covers {s.coverage_mm:.0f} mm, less than 100 mm",
        lambda s, pool: s.coverage_mm >= _CHEST_COVERAGE_MM,
    ),
    (
        lambda s: "another name fits the chest better",
        lambda s, pool: _region_rank(s) == max(map(_region_rank, pool)),
    ),
    (
        lambda s: f"covers less ({s.coverage_mm:.0f} mm)",
        lambda s, pool: _coverage(s) >= 0.8 * max(map(_coverage, pool)),
    ),
    (
        lambda s: f"thicker slices ({_thickness(s):.1f} mm)",
        lambda s, pool: _thickness(s) == min(map(_thickness, pool)),
    ),
    (
        lambda s: f"fewer slices ({s.n_slices})",
        lambda s, pool: s.n_slices == max(p.n_slices for p in pool),
    ),
)


def rank_series(series: Sequence[Series], wanted: str | None = None) -> list[Series]:
    """All series with `chosen` and `reason` filled in; one is chosen. See `choose_series`."""
    if not series:
        raise UnreadableError("There is no DICOM series to choose from; give a CT series.")
    asked = list(series) if wanted is None else [s for s in series if _matches(s, wanted)]
    if not asked:
        listing = "; ".join(
            f"{s.name} ({s.modality}, {count_of(s.n_slices, 'slice')})" for s in series
        )
        raise UsageError(f"There is no series '{wanted}'; found: {listing}.")
    if wanted is not None and len({s.uid for s in asked}) > 1:
        listing = "; ".join(f"{s.uid} ({count_of(s.n_slices, 'slice')})" for s in asked)
        raise UsageError(
            f"Several series have the number {wanted}; give the UID of one: {listing}."
        )
    pool = [s for s in asked if not s.rejected]
    if not pool:
        raise _rejection_of(asked)
    reasons = {id(s): "not the series asked for" for s in series}
    reasons |= {id(s): s.rejected for s in series if s.rejected}
    for text, rule in _RULES:
        kept = [s for s in pool if rule(s, pool)]
        if kept:
            reasons |= {id(s): text(s) for s in pool if s not in kept}
            pool = kept
    best, *others = sorted(pool, key=listing_order)
    reasons |= {id(s): "equal, but listed later" for s in others}
    if wanted is not None:
        reasons[id(best)] = "asked for"
    elif sum(not s.rejected for s in series) == 1:
        reasons[id(best)] = "the only usable CT series"
    else:
        reasons[id(best)] = (
            f"fits best: {best.orientation}, {_thickness(best):.1f} mm slices "
            f"over {best.coverage_mm:.0f} mm"
        )
    return [replace(s, chosen=s is best, reason=reasons[id(s)]) for s in series]


def choose_series(series: Sequence[Series], wanted: str | None = None) -> Series:
    """The series to segment: the one `wanted` (UID or series number), else the best chest CT.

    Usable are CT stacks with pixels and a grid; localizers, colour pictures, other modalities are
    not. Among these, each rule keeps those for which it holds, unless that leaves none:

    1. original, not derived (reformats, MIPs, secondary captures, maps);
    2. axial;
    3. at least 3 slices;
    4. at least 100 mm covered along the slices;
    5. description, else body part or protocol, names the chest; a neutral name comes before one
       that names another region;
    6. coverage (counted up to 400 mm) of at least 80 % of the largest;
    7. thinnest slices (thickness or spacing, to 0.1 mm), whatever the kernel;
    8. most slices;
    9. lowest series number.

    Raises:
        UsageError: no series is `wanted`; the message lists what exists.
        NotCTError, GeometryError, UnreadableError: no series can be used, with the reason.
    """
    return next(s for s in rank_series(series, wanted) if s.chosen)


def _matches(series: Series, wanted: str) -> bool:
    wanted = wanted.strip()
    return wanted == series.uid or (
        wanted.isdecimal() and series.number is not None and int(wanted) == series.number
    )


def _rejection_of(series: Sequence[Series]) -> InputError:
    """The error for a scan without usable series: that of a CT series when there is one."""
    ct = [s for s in series if s.rejection is not NotCTError] or [
        s for s in series if s.modality == "CT"
    ]
    if ct:
        return ct[0].rejection(f"DICOM {ct[0].name} can't be used: {ct[0].rejected}")
    return NotCTError(not_ct_sentence({s.modality for s in series}, series[0].files[0]))
