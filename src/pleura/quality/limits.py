"""Which measures are unusual, and how a sentence says so.

Limits were chosen on the train and validation volumes and slices (masks of the model and
references, and masks made wrong in twenty ways), with room on the good side: a sick lung is no
mistake. What they find and how often they err is in docs/quality.md, by
`python -m benchmarks.verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pleura.findings import Finding, Severity
from pleura.quality.measures import LITTLE_AERATED, Measures


@dataclass(frozen=True)
class Limit:
    """From where on a measure is a warning or a failure.

    Args:
        measure: a field of `Measures`.
        code: of the finding.
        warn, fail: reached or exceeded; for `below`, reached or fallen below. None for never.
        sentence: what it means; `{value}` takes the number, `{percent}` the same in %.
        partial: also holds for a part of a chest (few slices), where the second opinion errs more.
        below: small values are unusual.
        place: a field of `Measures` with the slice, for `{place}` in the sentence.
    """

    measure: str
    code: str
    warn: float | None
    fail: float | None
    sentence: str
    partial: bool = False
    below: bool = False
    place: str = ""

    def finding(self, measures: Measures) -> Finding | None:
        """The finding of a measure that passes the limit; None else, and where it is `nan`."""
        value: float = getattr(measures, self.measure)
        limits: tuple[tuple[Severity, float | None], ...] = (
            ("fail", self.fail), ("warn", self.warn),
        )  # fmt: skip
        for severity, limit in limits:
            if limit is not None and (value <= limit if self.below else value >= limit):
                place = getattr(measures, self.place) if self.place else 0
                return Finding(self.code, severity, self._message(value, place))
        return None

    def _message(self, value: float, place: int) -> str:
        share = 100 * value
        percent = f"{share:.0f} %" if share >= 9.5 else f"{share:.2g} %"
        number = str(value) if isinstance(value, int) else f"{value:.3g}"
        return self.sentence.format(value=number, percent=percent, place=place)


_DENSE = "{percent} of the mask is as dense as soft tissue: consolidation, or not lung."
_PROPORTION = (
    "The lungs are {value} times as high as wide (usually 0.7 to 1.1); check the slice spacing."
)
# Behind each: the worst of good masks (volumes; single slices where they count).
LIMITS = (
    Limit(
        "body_share", "little_lung", 0.06, 0.03,
        "The mask fills only {percent} of the body in its slices, too little for lungs.",
        below=True,
    ),  # 0.17; 0.011
    Limit(
        "body_share", "specks", 0.008, 0.003,
        "The mask fills only {percent} of the body in its slices: specks rather than lungs.",
        partial=True, below=True,
    ),
    Limit(
        "dense", "mask_dense", 0.12, 0.50,
        _DENSE,
    ),  # 0.03
    Limit(
        "dense", "mask_dense", 0.30, 0.60,
        _DENSE,
        partial=True,
    ),  # 0.19
    Limit(
        "rim_dense", "edge_in_tissue", 0.30, 0.60,
        "{percent} of the mask's outermost voxels lie in soft tissue: consolidation at the wall, "
        "or a mask that is too wide or misplaced.",
        partial=True,
    ),  # 0.03; 0.24
    Limit(
        "rim_aerated", "edge_in_lung", 0.06, 0.20,
        "{percent} of the voxels just outside the mask are aerated like lung, so a part of it was "
        "missed or the mask is misplaced.",
        partial=True,
    ),  # 0.014; 0.048
    Limit(
        "missed", "lung_missed", 0.06, 0.20,
        "A threshold finds aerated lung of which the mask leaves out {percent}; look whether a "
        "part of a lung was missed.",
    ),  # 0.028
    Limit(
        "missed", "lung_missed", 0.50, None,
        "A threshold finds aerated lung of which the mask leaves out {percent}; look whether it is "
        "gas in the bowel or missed lung.",
        partial=True,
    ),
    Limit(
        "extra", "gas_included", 0.004, 0.05,
        "{percent} of the mask is air that a threshold doesn't count as lung: airways, stomach or "
        "bowel may be included.",
    ),  # 0.0003
    Limit(
        "outside", "outside_body", 0.005, 0.05,
        "{percent} of the mask lies outside the body.",
        partial=True,
    ),  # 0
    Limit(
        "cut_open", "lung_cut_open", 0.005, None,
        "The field of view cuts lung open ({percent} of the mask lies there), so its volume is a "
        "part.",
        partial=True,
    ),  # 0
    Limit(
        "side_conflict", "sides_mixed", 0.03, 0.30,
        "{percent} of the mask is labelled as the other side than the body's midline suggests.",
        partial=True,
    ),  # 0.0001; 0.01
    Limit(
        "pieces", "loose_pieces", 1, 5,
        "Pieces of the mask beside its two lungs: {value}; look what they are.",
    ),  # 0
    Limit(
        "voids", "voids", 0.004, None,
        "Aerated voids inside the mask are left out ({percent} of it).",
        partial=True,
    ),
    Limit(
        "jump", "jump_between_slices", 0.25, None,
        "Neighbouring slices of the mask differ abruptly (1 - Dice {value} below slice {place}, "
        "counted from the feet); look for a cut or a shifted slice.",
        place="jump_at",
    ),  # 0.142
    Limit(
        "odd_slice", "slice_out_of_place", 0.02, None,
        "Slice {place}, counted from the feet, differs from both its neighbours in the mask "
        "(1 - Dice {value} more than they from each other); look for slices out of order or "
        "shifted.",
        place="odd_slice_at",
    ),  # 0
    Limit(
        "order", "slices_out_of_order", 0.85, 0.70,
        "Slices of the mask don't follow one another (order {value}, usually 0.95 to 1), as if the "
        "scan's slices were out of order.",
        below=True,
    ),  # 0.95
    Limit(
        "proportion", "implausible_proportions", 1.5, None,
        _PROPORTION,
        partial=True,
    ),  # 1.05
    Limit(
        "proportion", "implausible_proportions", 0.45, None,
        _PROPORTION,
        partial=True, below=True,
    ),  # 0.72
    Limit(
        "height_mm", "implausible_height", 420, None,
        "The lungs are {value} mm high, more than lungs are; check the slice spacing.",
    ),  # 278
    Limit(
        "empty_slices", "slices_without_lung", None, 1,
        "Slices without a mask in the midst of the lungs: {value}, the first of them slice {place} "
        "counted from the feet.",
        place="empty_at",
    ),  # 0
    Limit(
        "edge_entropy", "edge_uncertain", 0.80, None,
        "The network was unsure along the edges (entropy {value} bits, usually 0.7); noise, blur "
        "or numbers that are no HU may be the cause.",
        partial=True,
    ),  # 0.718
)  # fmt: skip


def unusual(measures: Measures, whole: bool) -> tuple[Finding, ...]:
    """Findings of all limits that are passed, each code once, at its worst.

    Args:
        measures: of the mask.
        whole: the scan is long enough to be a chest, so that all limits hold.
    """
    found: dict[str, Finding] = {}
    for limit in LIMITS:
        if not (whole or limit.partial):
            continue
        finding = limit.finding(measures)
        if finding is not None and measures.at_end and limit.measure == "body_share":
            finding = replace(finding, severity="warn")  # a tip of a lung is small
        if finding is not None and (limit.code not in found or finding.severity == "fail"):
            found[limit.code] = finding
    return tuple(found.values())


def too_small(total_ml: float) -> Finding:
    """The finding of a mask that has something, but none of the coarse samples."""
    message = f"The mask holds {total_ml:.2g} ml: specks rather than lungs."
    return Finding("specks", "fail", message)


def little_aerated(share: float, whole: bool) -> tuple[Finding, ...]:
    """A warning when a threshold finds next to no lung, as in a belly with gas in the bowel.

    Args:
        share: of the body in the slices with aerated lung; 0 says nothing.
        whole: as of `unusual`. In a part of a chest, bowel takes up to 0.017, an apex from 0.004.
    """
    if not 0 < share <= (LITTLE_AERATED if whole else 0.02):
        return ()
    message = (
        f"Air like a lung's fills only {100 * share:.2g} % of the body in its slices; it may be "
        "gas in the bowel, and the scan no chest."
    )
    return (Finding("little_lung", "warn", message),)
