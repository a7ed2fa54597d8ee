"""Findings on input and result -> verdict.

The first checks: is there lung, on both sides, whole, of a plausible size. They only need the
mask; limits are wide on purpose, since a sick lung is no mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pleura.findings import Finding, Verdict, count_of, verdict_of
from pleura.measure import CutOff

# Both lungs of a whole chest, in ml: from a small child to the largest emphysema reported.
_PLAUSIBLE_ML = (300.0, 12000.0)
_ONE_SIDED = 0.1  # the smaller lung over the larger one
_FEW_SLICES = 10
_SHORT_MM = 100.0


@dataclass(frozen=True)
class Quality:
    """What can be trusted: the worst finding is the verdict."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings)

    def to_dict(self) -> dict[str, object]:
        return {"verdict": self.verdict, "findings": [f.to_dict() for f in self.findings]}


def result_findings(
    volumes_ml: Mapping[str, float], cut: CutOff, slices: int, length_mm: float
) -> tuple[Finding, ...]:
    """What a mask says about itself.

    Args:
        volumes_ml: of `measure.volumes_ml`.
        cut: of `measure.cut_off`.
        slices: axial slices of the scan.
        length_mm: extent of the scan along the body.
    """
    total = volumes_ml["total"]
    if total == 0:
        return (
            Finding("no_lung", "fail", "No lung was found; check that the scan shows a chest."),
        )
    if slices < _FEW_SLICES or length_mm < _SHORT_MM:
        return (
            Finding(
                "part_of_chest",
                "note",
                f"The scan has {count_of(slices, 'slice')} over {length_mm:.0f} mm, so volumes are "
                "of a part of the lungs.",
            ),
        )
    found = []
    if cut.top or cut.bottom or cut.sides:
        places = [name for name, hit in cut.to_dict().items() if hit]
        message = f"Lung reaches the edge of the scan ({', '.join(places)}); its volume is a part."
        found.append(Finding("lung_cut_off", "warn", message))
    sides = [volumes_ml[name] for name in ("right", "left") if name in volumes_ml]
    if len(sides) == 2 and min(sides) < _ONE_SIDED * max(sides):
        message = (
            f"One lung is nearly absent (right {sides[0]:.0f} ml, left {sides[1]:.0f} ml); "
            "look whether it was missed."
        )
        found.append(Finding("one_lung", "warn", message))
    low, high = _PLAUSIBLE_ML
    if not low <= total <= high:
        message = f"The lungs' volume of {total:.0f} ml is outside {low:.0f} to {high:.0f} ml."
        found.append(Finding("implausible_volume", "warn", message))
    return tuple(found)
