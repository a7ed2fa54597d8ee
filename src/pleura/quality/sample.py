"""A coarse sample of a scan and its mask: enough to judge both, in a tenth of a second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pleura.body import Box, box_of, coarse_body
from pleura.classical import classical_lungs
from pleura.preprocess import Orientation
from pleura.volume import Geometry, HUArray, LabelArray, Mask, Volume

Scalar = TypeVar("Scalar", bound=np.generic)
BoolArray = npt.NDArray[np.bool_]
_STEP_MM = 3.0  # between samples, along all axes; finer scans are thinned out, others kept


@dataclass(frozen=True, eq=False)
class Sample:
    """Every n-th voxel of a scan, in canonical order (z to the head, y back, x patient's left).

    Args:
        hu: (z, y, x) int16.
        geometry: of the samples.
        orientation, steps: how the scan was sampled, (z, y, x) voxels.
        slices_in_scan: axial slices of the scan itself.
    """

    hu: HUArray
    geometry: Geometry
    orientation: Orientation
    steps: tuple[int, int, int]
    slices_in_scan: int

    @classmethod
    def of(cls, volume: Volume) -> Sample:
        """Sample a scan in any orientation, every 3 mm or, where voxels are wider, all."""
        orientation = Orientation.of(volume.geometry)
        geometry = orientation.geometry(volume.geometry)
        z, y, x = (max(1, round(_STEP_MM / mm)) for mm in geometry.spacing_zyx_mm)
        hu: HUArray = np.ascontiguousarray(_thinned(orientation, volume.array, (z, y, x)))
        depth, height, width = geometry.shape_zyx
        first = (_first(width, x), _first(height, y), _first(depth, z))
        affine = geometry.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ first
        affine[:3, :3] *= (x, y, z)
        return cls(hu, Geometry(hu.shape, affine), orientation, (z, y, x), depth)

    def labels_of(self, mask: Mask) -> LabelArray:
        """A mask on the scan's grid, thinned in plane only: a fault may be in a single slice.

        Returns:
            (slices in the scan, y, x) uint8, canonical; `slices` gives those that were sampled.
        """
        thin = _thinned(self.orientation, mask.array, (1, *self.steps[1:]))
        return np.ascontiguousarray(thin, dtype=np.uint8)

    def slices(self, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Those of all slices that were sampled."""
        return array[_places(len(array), self.steps[0])]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x) in mm."""
        return self.geometry.spacing_zyx_mm

    @property
    def voxel_ml(self) -> float:
        return self.geometry.voxel_ml

    @cached_property
    def body(self) -> BoolArray:
        """Where the patient is, as `body.coarse_body` finds it."""
        return coarse_body(self.hu)

    @cached_property
    def box(self) -> Box:
        """The body's in-plane box, in samples."""
        depth, height, width = self.hu.shape
        return box_of(self.body, (depth, height, width))

    @property
    def length_mm(self) -> float:
        """Of the scan, along the body."""
        return self.slices_in_scan * self.spacing[0] / self.steps[0]

    @property
    def body_width_mm(self) -> float:
        """From side to side, at the widest; `nan` without a body."""
        columns = np.flatnonzero(self.body.any(axis=(0, 1)))
        if not len(columns):
            return float("nan")
        step_mm = self.spacing[2] * self.hu.shape[2] / self.body.shape[2]
        return float((columns[-1] - columns[0] + 1) * step_mm)

    @property
    def body_is_cut(self) -> bool:
        """The body reaches the frame at a side, so its width isn't known."""
        return bool(self.body[:, :, [0, -1]].any())

    @cached_property
    def classical(self) -> LabelArray:
        """Lungs by threshold and components alone: a second opinion that knows no network."""
        volume = Volume(self.hu, self.geometry)
        return classical_lungs(volume).array


def _thinned(
    orientation: Orientation, array: npt.NDArray[np.generic], steps: tuple[int, int, int]
) -> npt.NDArray[np.generic]:
    canonical = orientation.apply(array)
    return canonical[tuple(map(_places, canonical.shape, steps))]


def _places(count: int, step: int) -> slice:
    """Every `step`-th of `count`, at least one."""
    return slice(_first(count, step), None, step)


def _first(count: int, step: int) -> int:
    return min(step // 2, count - 1)
