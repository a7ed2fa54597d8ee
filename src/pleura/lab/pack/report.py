"""What a packed store took and what it lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pleura.findings import count_of
from pleura.lab.pack.codec import OCCUPANCY_STEPS
from pleura.lab.pack.reduce import Reduction
from pleura.record import SCHEMA_VERSION

_HEADINGS = (
    "source", "scans", "left out", "slices", "of", "coarser scans", "noise (HU)",
    "HU steps (scans)", "HU error (rms)", "images (MiB)", "targets (MiB)",
)  # fmt: skip


@dataclass(frozen=True)
class PackedSource:
    """One source of a packed store.

    Args:
        name, scans, slices: what is in the file.
        scans_left_out: for their role.
        slices_before: of the scans in the file.
        coarser_scans: those that were finer than the long side.
        noise_hu: the median scan's noise in soft tissue.
        steps_hu: how many scans were rounded to which step.
        rms_error_hu: of the rounding.
        image_mib, target_mib: their share of the file.
    """

    name: str
    scans: int
    scans_left_out: int
    slices: int
    slices_before: int
    coarser_scans: int
    noise_hu: float
    steps_hu: Mapping[int, int]
    rms_error_hu: float
    image_mib: float
    target_mib: float


@dataclass(frozen=True)
class PackReport:
    """Size of the file in MiB, the reduction that made it fit, and the sources."""

    mib: float
    reduction: Reduction
    sources: tuple[PackedSource, ...]

    def record(self) -> dict[str, Any]:
        """The JSON object."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def summary(self) -> str:
        """What was done in a sentence a line, then a table of the sources in Markdown."""
        how = self.reduction
        lines = [
            f"{self.mib:.2f} MiB, {count_of(sum(s.slices for s in self.sources), 'slice')}.",
            f"Slices have at most {how.long_side} pixels along the longer side; HU are rounded to "
            f"steps of at most {how.largest_step_hu}, occupancies to 1/{OCCUPANCY_STEPS}.",
        ]
        if how.slice_mm:
            lines.append(
                f"Of scans with thin slices every n-th is kept, at most {how.slice_mm:g} mm apart."
            )
        table = [_HEADINGS, ("---",) * len(_HEADINGS), *(_row(s) for s in self.sources)]
        return "\n".join([*lines, "", *(f"| {' | '.join(row)} |" for row in table)])


def _row(source: PackedSource) -> tuple[str, ...]:
    steps = ", ".join(f"{step} ({scans})" for step, scans in source.steps_hu.items())
    return (
        source.name, str(source.scans), str(source.scans_left_out), str(source.slices),
        str(source.slices_before), str(source.coarser_scans), f"{source.noise_hu:.1f}", steps,
        f"{source.rms_error_hu:.1f}", f"{source.image_mib:.2f}", f"{source.target_mib:.2f}",
    )  # fmt: skip
