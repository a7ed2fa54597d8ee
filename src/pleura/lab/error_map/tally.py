"""Errors and surface distances of one scan, counted by region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.lab.error_map.comparison import BoolArray, Comparison, FloatArray, border
from pleura.lab.error_map.contents import CONTENTS, contents
from pleura.lab.error_map.depths import DEPTHS, depths
from pleura.lab.error_map.places import PLACES, places
from pleura.lab.error_map.rows import CONTENT, DEPTH, PLACE, RegionRow
from pleura.lab.metrics import SurfaceDistances, surface_distances


@dataclass(frozen=True)
class Owner:
    """Whose rows these are."""

    set: str
    scan: str
    role: str
    grade: str


def region_rows(one: Comparison, owner: Owner, by_place: bool = True) -> Iterator[RegionRow]:
    """A row for each region that holds lung or error.

    Args:
        one: the masks.
        owner: whose they are.
        by_place: also by anatomical place; of use in volumes only.
    """
    distances = surface_distances(one.found, one.lungs, one.spacing, threads=1)
    if by_place:
        yield from _counted(one, owner, (PLACE, PLACES, places(one)), distances)
    yield from _counted(one, owner, (DEPTH, DEPTHS, depths(one)), distances)
    yield from _counted(one, owner, (CONTENT, CONTENTS, contents(one)), distances)


def _counted(
    one: Comparison,
    owner: Owner,
    regions: tuple[str, tuple[str, ...], npt.NDArray[np.uint8]],
    distances: SurfaceDistances,
) -> Iterator[RegionRow]:
    kind, names, numbers = regions
    n = len(names)

    def ml(mask: BoolArray) -> npt.NDArray[np.float64]:
        counts: npt.NDArray[np.intp] = np.bincount(numbers[mask], minlength=n)
        return counts.astype(np.float64) * one.voxel_ml

    lung, false_positive, false_negative = map(
        ml, (one.lungs, one.false_positive, one.false_negative)
    )
    all_error = float(false_positive.sum() + false_negative.sum())
    # Distances are in the order of the border voxels, so they find their regions again.
    of_surface, of_found = numbers[one.surface], numbers[border(one.found)]
    for number, name in enumerate(names):
        if not lung[number] + false_positive[number]:
            continue
        ours = distances.ref_to_pred[of_surface == number]
        theirs = distances.pred_to_ref[of_found == number]
        error = float(false_positive[number] + false_negative[number])
        yield RegionRow(
            owner.set, owner.scan, owner.role, owner.grade, kind, name,
            reference_ml=float(lung[number]),
            false_positive_ml=float(false_positive[number]),
            false_negative_ml=float(false_negative[number]),
            error_share=error / all_error if all_error else None,
            surface_share=ours.size / of_surface.size if of_surface.size else None,
            surface_mean_mm=_mean(ours),
            surface_p95_mm=_p95(ours),
            found_p95_mm=_p95(theirs),
        )  # fmt: skip


def _mean(mm: FloatArray) -> float | None:
    return float(mm.mean(dtype=np.float64)) if _known(mm) else None


def _p95(mm: FloatArray) -> float | None:
    return float(np.percentile(mm, 95)) if _known(mm) else None


def _known(mm: FloatArray) -> bool:
    return bool(mm.size and np.isfinite(mm).all())
