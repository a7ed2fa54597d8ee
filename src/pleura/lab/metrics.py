"""Segmentation metrics: pure functions on boolean (z, y, x) arrays and spacing in millimetres.

Definitions follow Taha and Hanbury 2015 (doi 10.1186/s12880-015-0068-x) for overlap and
Nikolov et al. 2021 (doi 10.2196/26151) for the surface Dice (NSD), with surfaces as border voxels,
as MONAI has them, each counted once whatever its area. DeepMind's surface-distance weighs surface
elements between voxel corners by area: on coarse grids its HD95 and ASSD are smaller and its NSD is
larger by a fraction of a voxel, so compare surface numbers of one tool only.

When a mask is empty:

    ============================  ==================  =================
    metric                        both masks empty    one mask empty
    ============================  ==================  =================
    Dice, IoU, sensitivity,       1                   0
    precision, NSD
    HD95, ASSD                    0                   infinite
    volume difference             0                   the other's volume
    seed_slice_dice               1                   share of slices that are empty in both
    extent_excess_mm              0                   0 without prediction; without reference
                                                      the length of the prediction
    ============================  ==================  =================

A mask voxel is a border voxel when one of its six face neighbours is background; outside the array
is background, so mask voxels at the array's edge are border. Axes of length one are left out: a
single slice has a contour, not a surface, and only its in-plane neighbours count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import edt
import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Spacing = tuple[float, float, float]

# Distances are sums of float32 squares: 2 voxels of 1 mm must still lie within 2 mm.
_TOLERANCE_SLACK_MM = 1e-4


@dataclass(frozen=True)
class Overlap:
    """Voxel counts of a prediction, a reference and their intersection, and what follows."""

    both: int
    prediction: int
    reference: int

    @property
    def dice(self) -> float:
        return self._ratio(2 * self.both, self.prediction + self.reference)

    @property
    def iou(self) -> float:
        return self._ratio(self.both, self.prediction + self.reference - self.both)

    @property
    def sensitivity(self) -> float:
        return self._ratio(self.both, self.reference)

    @property
    def precision(self) -> float:
        return self._ratio(self.both, self.prediction)

    def _ratio(self, part: int, whole: int) -> float:
        if self.prediction == 0 and self.reference == 0:
            return 1.0
        return part / whole if whole else 0.0


@dataclass(frozen=True, eq=False)
class SliceCounts:
    """Voxels of a prediction, a reference and their intersection in each axial slice, int64 (z,).

    Everything but the surfaces follows from these, so that large masks are counted once.
    """

    both: Counts
    prediction: Counts
    reference: Counts

    @classmethod
    def of(cls, pred: BoolArray, ref: BoolArray) -> SliceCounts:
        """Count two masks (z, y, x) of one shape whose first axis is the axial one."""
        return cls(_per_slice(pred & ref), _per_slice(pred), _per_slice(ref))

    def overlap(self) -> Overlap:
        return Overlap(int(self.both.sum()), int(self.prediction.sum()), int(self.reference.sum()))

    def seed_slice_dice(self) -> float:
        """Mean over axial slices of Dice, where a slice empty in both masks counts 1.

        Slices without lung lift this number, so it is comparable only between methods on the same
        scans.
        """
        total = self.prediction + self.reference
        return float(np.where(total == 0, 1.0, 2.0 * self.both / np.maximum(total, 1)).mean())

    def extent_excess_mm(self, slice_mm: float) -> float:
        """How far the prediction reaches beyond the reference's first or last slice, in mm.

        Measured between slice centres; 0 when it stays inside. Without a reference every slice of
        the prediction is beyond it: the length of the prediction.
        """
        pred_slices = np.flatnonzero(self.prediction)
        ref_slices = np.flatnonzero(self.reference)
        if not pred_slices.size:
            return 0.0
        if not ref_slices.size:
            return float(pred_slices[-1] - pred_slices[0] + 1) * slice_mm
        excess = max(ref_slices[0] - pred_slices[0], pred_slices[-1] - ref_slices[-1], 0)
        return float(excess) * slice_mm


def overlap(pred: BoolArray, ref: BoolArray) -> Overlap:
    """Count the voxels of two masks of one shape."""
    return SliceCounts.of(pred, ref).overlap()


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances in mm from each border voxel of one mask to the nearest of the other.

    An empty mask has no border voxels; the other's distances are then infinite.
    """

    pred_to_ref: npt.NDArray[np.float32]
    ref_to_pred: npt.NDArray[np.float32]

    def hd95_mm(self) -> float:
        """Robust Hausdorff distance: the larger of the two directed 95th percentiles."""
        directed = [d for d in (self.pred_to_ref, self.ref_to_pred) if d.size]
        if any(np.isinf(d).any() for d in directed):
            return float("inf")
        return max((float(np.percentile(d, 95)) for d in directed), default=0.0)

    def assd_mm(self) -> float:
        """Average symmetric surface distance: the mean of both directions pooled."""
        pooled = self._pooled()
        return float(pooled.mean(dtype=np.float64)) if pooled.size else 0.0

    def nsd(self, tolerance_mm: float) -> float:
        """Normalised surface Dice: the share of all border voxels within the tolerance."""
        pooled = self._pooled()
        within = np.count_nonzero(pooled <= tolerance_mm + _TOLERANCE_SLACK_MM)
        return float(within / pooled.size) if pooled.size else 1.0

    def _pooled(self) -> npt.NDArray[np.float32]:
        return np.concatenate([self.pred_to_ref, self.ref_to_pred])


def surface_distances(
    pred: BoolArray, ref: BoolArray, spacing_zyx_mm: Spacing, threads: int = 0
) -> SurfaceDistances:
    """Directed surface distances between two (z, y, x) masks of one shape.

    Args:
        pred, ref: boolean masks.
        spacing_zyx_mm: voxel size along (z, y, x).
        threads: for the distance transform; 0 takes every core.
    """
    spacing = np.asarray(spacing_zyx_mm, dtype=np.float64)
    thin = tuple(axis for axis in range(3) if pred.shape[axis] == 1)
    if len(thin) == 1:
        pred, ref, spacing = pred.squeeze(thin), ref.squeeze(thin), np.delete(spacing, thin)
    pred_border, ref_border = _borders(pred, ref)
    return SurfaceDistances(
        pred_to_ref=_distances_from(pred_border, ref_border, spacing, threads),
        ref_to_pred=_distances_from(ref_border, pred_border, spacing, threads),
    )


def dice(pred: BoolArray, ref: BoolArray) -> float:
    """2 |A and B| / (|A| + |B|), 0 to 1; see `overlap` for empty masks."""
    return overlap(pred, ref).dice


def iou(pred: BoolArray, ref: BoolArray) -> float:
    """Intersection over union, also called Jaccard index."""
    return overlap(pred, ref).iou


def sensitivity(pred: BoolArray, ref: BoolArray) -> float:
    """Share of the reference that was found, also called recall."""
    return overlap(pred, ref).sensitivity


def precision(pred: BoolArray, ref: BoolArray) -> float:
    """Share of the prediction that is right, also called positive predictive value."""
    return overlap(pred, ref).precision


def volume_difference_ml(pred: BoolArray, ref: BoolArray, spacing_zyx_mm: Spacing) -> float:
    """Prediction minus reference in millilitres."""
    counts = overlap(pred, ref)
    return (counts.prediction - counts.reference) * float(np.prod(spacing_zyx_mm)) / 1000.0


def hd95_mm(pred: BoolArray, ref: BoolArray, spacing_zyx_mm: Spacing) -> float:
    """The larger directed 95th percentile of surface distances in mm; see `surface_distances`."""
    return surface_distances(pred, ref, spacing_zyx_mm).hd95_mm()


def assd_mm(pred: BoolArray, ref: BoolArray, spacing_zyx_mm: Spacing) -> float:
    """Average symmetric surface distance in mm; see `surface_distances`."""
    return surface_distances(pred, ref, spacing_zyx_mm).assd_mm()


def nsd(pred: BoolArray, ref: BoolArray, spacing_zyx_mm: Spacing, tolerance_mm: float) -> float:
    """Share of both surfaces within `tolerance_mm` of the other, 0 to 1."""
    return surface_distances(pred, ref, spacing_zyx_mm).nsd(tolerance_mm)


def seed_slice_dice(pred: BoolArray, ref: BoolArray) -> float:
    """See `SliceCounts.seed_slice_dice`."""
    return SliceCounts.of(pred, ref).seed_slice_dice()


def extent_excess_mm(pred: BoolArray, ref: BoolArray, spacing_zyx_mm: Spacing) -> float:
    """See `SliceCounts.extent_excess_mm`."""
    return SliceCounts.of(pred, ref).extent_excess_mm(spacing_zyx_mm[0])


def _per_slice(mask: BoolArray) -> Counts:
    # Slice by slice: with `axis`, count_nonzero adds up integers and is ten times slower.
    return np.array([np.count_nonzero(plane) for plane in mask], dtype=np.int64)


def _borders(pred: BoolArray, ref: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Border voxels of both masks in their common bounding box, with a margin of one voxel."""
    union = pred | ref
    if not union.any():
        return np.zeros_like(pred), np.zeros_like(ref)
    box = []
    for axis in range(union.ndim):
        others = tuple(a for a in range(union.ndim) if a != axis)
        hits = np.flatnonzero(union.any(axis=others))
        box.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return _border(pred[tuple(box)]), _border(ref[tuple(box)])


def _border(mask: BoolArray) -> BoolArray:
    """Mask voxels with a background face neighbour, in an array padded by one voxel."""
    padded = np.pad(mask, 1)
    interior = padded.copy()
    for axis in range(mask.ndim):
        low: list[Any] = [slice(None)] * mask.ndim
        high = list(low)
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        interior[tuple(high)] &= padded[tuple(low)]
        interior[tuple(low)] &= padded[tuple(high)]
    return padded & ~interior


def _distances_from(
    source: BoolArray, target: BoolArray, spacing: npt.NDArray[np.float64], threads: int
) -> npt.NDArray[np.float32]:
    if not target.any():
        return np.full(np.count_nonzero(source), np.inf, dtype=np.float32)
    field: npt.NDArray[np.float32] = edt.edt(
        ~target, anisotropy=tuple(spacing.tolist()), parallel=threads
    )
    return field[source]
