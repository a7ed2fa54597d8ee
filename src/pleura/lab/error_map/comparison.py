"""A found mask beside its reference, turned to the patient's axes and cut to what matters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import edt
import numpy as np
import numpy.typing as npt

from pleura.labels import AIRWAYS, LEFT, RIGHT
from pleura.postprocess import box_around
from pleura.preprocess import Orientation
from pleura.volume import HUArray, LabelArray, Mask, Volume

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]

_MARGIN_MM = 20.0


@dataclass(frozen=True, eq=False)
class Comparison:
    """One scan; arrays are (z to the head, y to the back, x to the patient's left), of one shape.

    Args:
        hu: int16 HU.
        found: both lungs as the model sees them.
        reference: pleura's labels (1 right, 2 left, 3 airways).
        spacing: (z, y, x) in mm.
        voxel_ml: volume of a voxel.
        first_slice: of the canonical scan, where these arrays begin.
    """

    hu: HUArray
    found: BoolArray
    reference: LabelArray
    spacing: Spacing
    voxel_ml: float
    first_slice: int = 0

    @classmethod
    def of(cls, volume: Volume, found: Mask, reference: Mask) -> Comparison | None:
        """The part around both masks, with a margin of 20 mm in plane; None where both are empty.

        Args:
            volume: HU.
            found: pleura's labels on the volume's grid.
            reference: the same, with airways where they are known.
        """
        orientation = Orientation.of(volume.geometry)
        grid = orientation.geometry(volume.geometry)
        hu, ours, theirs = (
            orientation.apply(a) for a in (volume.array, found.array, reference.array)
        )
        lungs = np.asarray(is_lung(ours) | is_lung(theirs))
        if not lungs.any():
            return None
        box = box_around(lungs, margin=ceil(_MARGIN_MM / min(grid.spacing_zyx_mm[1:])))
        return cls(
            np.ascontiguousarray(hu[box], dtype=np.int16),
            np.ascontiguousarray(is_lung(ours[box])),
            np.ascontiguousarray(theirs[box], dtype=np.uint8),
            grid.spacing_zyx_mm, grid.voxel_ml, box[0].start or 0,
        )  # fmt: skip

    @cached_property
    def lungs(self) -> BoolArray:
        """Both lungs of the reference."""
        return is_lung(self.reference)

    @cached_property
    def airways(self) -> BoolArray:
        """Trachea and main bronchi of the reference."""
        airways: BoolArray = self.reference == AIRWAYS
        return airways

    @cached_property
    def surface(self) -> BoolArray:
        """Border voxels of the reference's lungs."""
        return border(self.lungs)

    @property
    def false_positive(self) -> BoolArray:
        return self.found & ~self.lungs

    @property
    def false_negative(self) -> BoolArray:
        return self.lungs & ~self.found


def is_lung(labels: npt.NDArray[np.generic]) -> BoolArray:
    """Right or left; not the airways."""
    lung: BoolArray = (labels == RIGHT) | (labels == LEFT)
    return lung


def border(mask: BoolArray) -> BoolArray:
    """Mask voxels with a face neighbour outside, as `metrics.surface_distances` takes them.

    Outside the array is outside the mask; axes of length one are left out.
    """
    thin = tuple(axis for axis in range(mask.ndim) if mask.shape[axis] == 1)
    # In steps of one voxel, a border voxel's nearest other voxel is a face neighbour.
    steps = edt.edt(np.ascontiguousarray(mask.squeeze(thin)), black_border=True, parallel=1)
    found: BoolArray = (steps == 1).reshape(mask.shape)
    return found


def distance_to(mask: BoolArray, spacing: Spacing) -> FloatArray:
    """Millimetres to the nearest voxel of the mask, 0 inside; infinite where there is none."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    field: FloatArray = edt.edt(~mask, anisotropy=spacing, parallel=1)
    return field


def smoothed(values: FloatArray, sigma_mm: float, spacing: Spacing) -> FloatArray:
    """Gaussian of so many millimetres; outside the array is 0."""
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped,unused-ignore]

    sigma = [sigma_mm / mm for mm in spacing]
    out: FloatArray = gaussian_filter(values, sigma, mode="constant", truncate=3.0)
    return out
