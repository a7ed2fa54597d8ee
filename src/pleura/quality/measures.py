"""What a mask looks like, in numbers that tell good masks from bad ones.

All are taken from a coarse sample. `limits.py` says what is usual, docs/quality.md how that was
found.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import SupportsFloat

import cc3d
import fill_voids
import numpy as np
import numpy.typing as npt

from pleura.classical import AERATED_HU
from pleura.labels import LEFT, RIGHT
from pleura.postprocess import box_around
from pleura.quality.content import ONE_SIDED
from pleura.quality.sample import BoolArray, Sample
from pleura.volume import LabelArray

LITTLE_AERATED = 0.06  # of the body; a chest has 0.17 and more, gas in bowels up to 0.05
_DENSE_HU = -200
_LUNG_HU = -500
_GAS_HU = -970  # this and less is nothing but gas
_LEAST_SLICE = 0.15  # of the largest slice's area; less is an apex or a base, where all changes
_LEAST_PIECE_ML = 3.0
_OPEN_SHARE = 0.002  # of the mask


@dataclass(frozen=True)
class Measures:
    """Of one mask; shares are 0 to 1, `nan` where there is nothing to measure.

    Args:
        lung_ml: volume of the sampled mask.
        body_share: lung's part of the body in the slices that have lung.
        median_hu: inside the mask.
        dense: part of the mask denser than -200 HU.
        gas: part of the mask that is nothing but gas (-970 HU and less).
        missed: aerated lung by the classical method that the mask leaves out, of that lung; gas
            without any tissue, as in bowel and airways, doesn't count. `nan` where that lung fills
            too little of the body to be more than gas in bowels.
        extra: aerated part of the mask that the classical method doesn't call lung, of the mask;
            `nan` as for `missed`, or where the field of view cuts lung open.
        outside: part of the mask that is gas outside the body.
        cut_open: part of the mask that is lung outside the body, as the body ends where the field
            of view cuts lung.
        side_conflict: part of the mask that the classical method gives the other side; `nan` for
            a mask without sides, with one lung nearly absent (the other fills its place), or
            where lung is cut open.
        rim_dense: part of the mask's outermost voxels, in plane, denser than -200 HU.
        rim_aerated: part of the voxels around the mask, in plane, from -970 to -500 HU.
        pieces: pieces of at least 3 ml more than one a side; without sides, more than two.
        loose: part of each side's mask outside its largest piece, the larger of both; without
            sides, outside the two largest.
        voids: aerated voxels that lung encloses in a slice but that are left out, of the mask.
        jump: largest change from slice to slice in the lungs' middle, 1 - Dice.
        odd_slice: how much a slice differs from both its neighbours more than they from each other,
            1 - Dice.
        order: how much slices two apart differ, over how much slices one apart do, twice: 1 where
            slices follow one another, 0.5 where every two are exchanged.
        proportion: the lungs' height over their width; `nan` where one lung is nearly absent or
            the scan doesn't show both ends.
        height_mm: of the lungs; `nan` where the scan doesn't show both ends.
        jump_at, odd_slice_at, empty_at: the slice that the measure speaks of, counted from 1 at the
            feet; 0 for none.
        at_end: the mask reaches the first or last slice, so what it shows may be a lung's tip.
        empty_slices: slices without lung between slices with much of it.
        edge_entropy: of `uncertainty.edge_entropy`; `nan` where no probabilities were given.
    """

    lung_ml: float
    body_share: float
    median_hu: float
    dense: float
    gas: float
    missed: float
    extra: float
    outside: float
    cut_open: float
    side_conflict: float
    rim_dense: float
    rim_aerated: float
    pieces: int
    loose: float
    voids: float
    jump: float
    odd_slice: float
    order: float
    proportion: float
    height_mm: float
    jump_at: int
    odd_slice_at: int
    empty_at: int
    at_end: bool
    empty_slices: int
    edge_entropy: float = float("nan")

    def to_dict(self) -> dict[str, float | None]:
        """Five digits are enough; None where nothing was measured."""
        return {
            name: None if math.isnan(value) else float(f"{value:.5g}")
            for name, value in asdict(self).items()
        }


def measure(sample: Sample, labels: LabelArray, sided: bool = True) -> Measures:
    """Measure a mask as `sample.labels_of` gives it, which holds some lung.

    Args:
        sample, labels: the scan and the mask.
        sided: labels tell right from left.
    """
    every = (labels == RIGHT) | (labels == LEFT)
    frame = (slice(None), *box_around(every, margin=1)[1:])
    aerated = (sample.classical > 0) & (sample.hu < AERATED_HU) & (sample.hu > _GAS_HU)
    body, share = _upsampled(sample), body_share(sample, sample.slices(every))
    # All else lies in the mask's own frame, a third of the scan's.
    every, labels = np.ascontiguousarray(every[frame]), sample.slices(labels)[frame]
    hu, classical, lung = sample.hu[frame], sample.classical[frame], sample.slices(every)
    missed = np.count_nonzero(aerated) - np.count_nonzero(aerated[frame] & lung)
    inside = hu[lung]
    count = len(inside)
    sides = [labels == number for number in (RIGHT, LEFT)]
    sizes = sorted(int(np.count_nonzero(side)) for side in sides)
    one_lung = sided and sizes[0] < ONE_SIDED * sizes[1]
    pieces, loose = _pieces(sides, sample.voxel_ml, 1 if sided else 2)
    both = lung & (classical > 0)
    rim, around = lung & ~_shrunk(lung), ~_shrunk(~lung) & ~lung
    extra = (hu < AERATED_HU) & lung & (classical == 0)
    outside = hu[lung & ~body[frame]]
    gas_outside = np.count_nonzero(outside <= _GAS_HU)
    # Lung that the field of view cuts open isn't enclosed, so no threshold finds it.
    open_lung = 2 * gas_outside < len(outside) and len(outside) > _OPEN_SHARE * count
    sides_known = sided and not (one_lung or open_lung)
    nan = float("nan")
    # Gas in the bowel is no second opinion about lungs.
    no_opinion = body_share(sample, sample.classical > 0) < LITTLE_AERATED
    near, far = _changes(every, 1), _changes(every, 2)
    odd, empty = _oddness(near, far), _empty(every)
    slice_mm = sample.spacing[0] / sample.steps[0]
    height_mm = nan if _cut(every) else _extent(lung, (1, 2)) * sample.spacing[0]
    width_mm = _extent(lung, (0, 1)) * sample.spacing[2]
    return Measures(
        lung_ml=count * sample.voxel_ml,
        body_share=share,
        median_hu=float(np.median(inside)),
        dense=float((inside > _DENSE_HU).mean()),
        gas=float((inside <= _GAS_HU).mean()),
        missed=nan if no_opinion else _ratio(missed, np.count_nonzero(aerated)),
        extra=nan if no_opinion or open_lung else _ratio(np.count_nonzero(extra), count),
        outside=_ratio(gas_outside, count),
        cut_open=_ratio(len(outside) - gas_outside, count) if open_lung else 0.0,
        side_conflict=_share(both & (labels != classical), both) if sides_known else nan,
        rim_dense=_share(rim & (hu > _DENSE_HU), rim),
        rim_aerated=_share(around & (hu < _LUNG_HU) & (hu > _GAS_HU), around),
        pieces=pieces,
        loose=loose,
        voids=_ratio(np.count_nonzero(_enclosed(lung) & (hu < AERATED_HU)), count),
        jump=float(near.max(initial=0)) / max(1.0, slice_mm / 3.0),
        odd_slice=float(odd.max(initial=0)),
        order=_order(near, far),
        proportion=nan if one_lung else height_mm / width_mm,
        height_mm=height_mm,
        jump_at=_place(near),
        odd_slice_at=_place(odd),
        empty_at=int(empty[0]) + 1 if len(empty) else 0,
        at_end=bool(every[0].any() or every[-1].any()),
        empty_slices=len(empty),
    )


def body_share(sample: Sample, lung: BoolArray) -> float:
    """Lung's part of the body in the slices that have lung; see `Measures.body_share`.

    Args:
        sample, lung: the scan, and (z, y, x) booleans on the sample's grid.
    """
    shown = lung.any(axis=(1, 2))
    # Lung that the field of view cuts open isn't in what is found of the body.
    in_slices = int(np.count_nonzero(_upsampled(sample)[shown] | lung[shown]))
    return int(np.count_nonzero(lung)) / max(1, in_slices)


def _ratio(part: SupportsFloat, whole: SupportsFloat) -> float:
    return float(part) / float(whole) if float(whole) else float("nan")


def _share(part: BoolArray, whole: BoolArray) -> float:
    return _ratio(np.count_nonzero(part), np.count_nonzero(whole))


def _upsampled(sample: Sample) -> BoolArray:
    """The body on the sample's own grid, a pixel wider."""
    body = sample.body
    for axis, (size, coarse) in enumerate(zip(sample.hu.shape, body.shape, strict=True)):
        if size != coarse:
            nearest = np.minimum(np.arange(size) * coarse // size, coarse - 1)
            body = body.take(nearest, axis=axis)
    return body


def _pieces(masks: list[BoolArray], voxel_ml: float, expected: int) -> tuple[int, float]:
    """Pieces of at least 3 ml beyond the `expected` of each mask, and the share of all others."""
    more, loose = 0, 0.0
    for mask in masks:
        pieces = cc3d.connected_components(mask.view(np.uint8), connectivity=26)
        sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1]
        if len(sizes):
            others = sizes[expected:]
            more += int(np.count_nonzero(others * voxel_ml >= _LEAST_PIECE_ML))
            loose = max(loose, float(others.sum() / sizes.sum()))
    return more, loose


def _shrunk(mask: BoolArray) -> BoolArray:
    """In-plane erosion by one sample; the frame's border doesn't erode."""
    out = mask.copy()
    out[:, 1:] &= mask[:, :-1]
    out[:, :-1] &= mask[:, 1:]
    out[:, :, 1:] &= mask[:, :, :-1]
    out[:, :, :-1] &= mask[:, :, 1:]
    return out


def _enclosed(lung: BoolArray) -> BoolArray:
    """What lung encloses in a slice: vessels, domes of the diaphragm, holes."""
    filled = np.stack([np.asarray(fill_voids.fill(plane), dtype=bool) for plane in lung])
    return filled & ~lung


def _areas(lung: BoolArray) -> npt.NDArray[np.intp]:
    """Voxels of each slice; many times faster than counting along two axes."""
    return np.array([np.count_nonzero(plane) for plane in lung], dtype=np.intp)


def _empty(lung: BoolArray) -> npt.NDArray[np.intp]:
    """Slices without lung between slices with much of it."""
    area = _areas(lung)
    large = np.flatnonzero(area >= _LEAST_SLICE * area.max())
    first, last = int(large[0]), int(large[-1])
    empty: npt.NDArray[np.intp] = np.arange(first, last)[area[first:last] == 0]
    return empty


def _changes(lung: BoolArray, apart: int) -> npt.NDArray[np.float64]:
    """1 - Dice of slices so many apart; 0 where one of them has little lung."""
    area = _areas(lung)
    large = area >= _LEAST_SLICE * area.max()
    common = _areas(lung[:-apart] & lung[apart:])
    total = np.maximum(area[:-apart] + area[apart:], 1)
    changes = 1 - 2 * common / total
    return np.where(large[:-apart] & large[apart:], changes, 0.0)


def _oddness(
    near: npt.NDArray[np.float64], far: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """A slice in its place lies between its neighbours; one out of place is far from both.

    Args:
        near, far: `_changes` of slices one and two apart.

    Returns:
        For each slice but the first and the last, at least 0.
    """
    if not len(far):
        return np.zeros(0)
    odd = np.minimum(near[:-1], near[1:]) - far
    return np.where(far > 0, np.maximum(odd, 0.0), 0.0)


def _place(values: npt.NDArray[np.number]) -> int:
    """The slice after the place of the largest value, counted from 1; 0 where all are 0."""
    return int(values.argmax()) + 2 if values.size and values.max() > 0 else 0


def _order(near: npt.NDArray[np.float64], far: npt.NDArray[np.float64]) -> float:
    steps = (near[:-1] + near[1:])[far > 0].sum() if len(far) else 0.0
    return _ratio(far.sum(), steps)


def _cut(lung: BoolArray) -> bool:
    """The scan ends within the lungs, not where they end."""
    area = _areas(lung)
    return bool(max(area[0], area[-1]) >= _LEAST_SLICE * area.max())


def _extent(lung: BoolArray, axes: tuple[int, int]) -> int:
    """Samples from the first to the last with lung, along the axis that isn't in `axes`."""
    places = np.flatnonzero(lung.any(axis=axes))
    return int(places[-1] - places[0] + 1)
