"""`Volume`, `Mask` and the `Geometry` they carry.

Arrays are indexed (z, y, x). World coordinates are LPS millimetres (x to the patient's left,
y to the back, z to the head), as in DICOM and SimpleITK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pleura.errors import GeometryError
from pleura.findings import Finding

if TYPE_CHECKING:
    from pathlib import Path

    import nibabel
    import SimpleITK as sitk

HUArray = npt.NDArray[np.int16]
LabelArray = npt.NDArray[np.uint8]

AIR_HU = -1024  # what stands for air where nothing was measured
MOST_VOXELS = 1_600_000_000  # 512 x 512 x 6000; more is a damaged header, not a chest

_LEAST_MM = 0.0001  # numbers near zero are as damaged a header as zero itself
# SimpleITK accepts direction cosines that are off by this much, so we call them orthogonal too.
_ORTHOGONAL_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Geometry:
    """A voxel grid in the patient.

    Args:
        shape_zyx: number of voxels along (z, y, x).
        affine: 4x4 float64, maps the index (x, y, z, 1) of a voxel's centre to LPS millimetres.
            Columns may be oblique or sheared, but not dependent.

    Raises:
        GeometryError: when the affine is not finite or a voxel has no volume.
    """

    shape_zyx: tuple[int, int, int]
    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("The voxel grid has no finite affine; check the scan's header.")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if spacing.min() < _LEAST_MM or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
            raise GeometryError(
                f"The voxel grid is flat (a spacing is below {_LEAST_MM} mm or two axes coincide); "
                "check the scan's header."
            )
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape_zyx", tuple(int(n) for n in self.shape_zyx))

    @classmethod
    def from_parts(
        cls,
        shape_zyx: Sequence[int],
        spacing_zyx_mm: Sequence[float] = (1.0, 1.0, 1.0),
        origin_lps_mm: Sequence[float] = (0.0, 0.0, 0.0),
        direction_lps: npt.ArrayLike | None = None,
    ) -> Geometry:
        """From spacing (z, y, x), origin (x, y, z) and direction (3x3, columns = axes x, y, z)."""
        direction = np.eye(3) if direction_lps is None else np.asarray(direction_lps, dtype=float)
        affine = np.eye(4)
        affine[:3, :3] = direction.reshape(3, 3) * np.asarray(spacing_zyx_mm, dtype=float)[::-1]
        affine[:3, 3] = origin_lps_mm
        z, y, x = shape_zyx
        return cls((z, y, x), affine)

    @property
    def spacing_zyx_mm(self) -> tuple[float, float, float]:
        x, y, z = (float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))
        return z, y, x

    @property
    def origin_lps_mm(self) -> tuple[float, float, float]:
        x, y, z = (float(v) for v in self.affine[:3, 3])
        return x, y, z

    @property
    def direction_lps(self) -> npt.NDArray[np.float64]:
        """3x3; column k is the unit vector of index axis k (x, y, z) in LPS."""
        matrix: npt.NDArray[np.float64] = self.affine[:3, :3] / np.asarray(
            self.spacing_zyx_mm[::-1]
        )
        return matrix

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def is_orthogonal(self) -> bool:
        """False for a sheared grid, as gantry tilt makes it."""
        direction = self.direction_lps
        return bool(np.abs(direction.T @ direction - np.eye(3)).max() < _ORTHOGONAL_TOLERANCE)

    def matches(self, other: Geometry, tolerance_mm: float = 1e-3) -> bool:
        """True when both grids have one shape and no corner is farther off than `tolerance_mm`."""
        if self.shape_zyx != other.shape_zyx:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape_zyx[::-1]])).reshape(3, -1)
        homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
        return bool(np.abs((self.affine - other.affine) @ homogeneous).max() <= tolerance_mm)

    def transposed(self, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Geometry:
        """The grid of `np.flip(array.transpose(axes), flipped axes)`, same points in space."""
        index_axes = [2 - axes[2 - k] for k in range(3)]  # (z, y, x) order -> (x, y, z) order
        affine = np.eye(4)
        affine[:3, :3] = self.affine[:3, index_axes]
        affine[:3, 3] = self.affine[:3, 3]
        shape = tuple(self.shape_zyx[a] for a in axes)
        for axis, flip in enumerate(flips):
            if flip:
                column = 2 - axis
                affine[:3, 3] += affine[:3, column] * (shape[axis] - 1)
                affine[:3, column] *= -1
        return Geometry((shape[0], shape[1], shape[2]), affine)


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT scan: Hounsfield units on a grid.

    Args:
        array: int16 HU, (z, y, x), same shape as the geometry.
        geometry: where the voxels are.
        source: the path it came from, None for arrays and images in memory.
        format: "nifti", "nrrd", "metaimage", "dicom", "array", "simpleitk" or "nibabel".
        findings: what the reader noticed.
        header: the NIfTI header, when there is one, so that a mask can repeat it bit for bit.
        series: the DICOM series found beside this one, for `pleura info`.
        instances: of a DICOM scan, for each slice the file within `source` ("" where that is the
            file) and the frame in it from 0 on, so that DICOM objects can refer to them.
    """

    array: HUArray
    geometry: Geometry
    source: Path | None = None
    format: str = "array"
    findings: tuple[Finding, ...] = ()
    header: Any = None
    series: tuple[Mapping[str, object], ...] = ()
    instances: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape_zyx:
            raise GeometryError(
                f"The array has shape {self.array.shape}, its grid {self.geometry.shape_zyx}; "
                "they must be equal."
            )

    def with_findings(self, *findings: Finding) -> Volume:
        return replace(self, findings=self.findings + findings)


@dataclass(frozen=True, eq=False)
class Mask:
    """A segmentation on a scan's own grid.

    Args:
        array: uint8 labels, (z, y, x).
        geometry: the grid of the scan.
        labels: number -> name, background left out.
        header: the scan's NIfTI header, when it had one.
    """

    array: LabelArray
    geometry: Geometry
    labels: Mapping[int, str] = field(default_factory=dict)
    header: Any = None

    def to_sitk(self) -> sitk.Image:
        """The mask as a SimpleITK image (uint8).

        Raises:
            GeometryError: SimpleITK has no sheared grids.
        """
        return sitk_image(self.array, self.geometry)

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """The mask as a nibabel image; array axes (x, y, z), world RAS, as NIfTI wants it."""
        return nibabel_image(self.array, self.geometry, self.header)


@dataclass(frozen=True, eq=False)
class ProbabilityMap:
    """The network's confidence that a voxel is lung, both sides together, on a scan's own grid.

    It is uncalibrated: 200 doesn't mean that 78 of 100 such voxels are lung. It is taken before
    the clean-up and interpolated as the mask is; the mask isn't simply its threshold, since pieces
    are dropped, holes filled and edges drawn by HU. Slabs that the network wasn't asked about,
    far from all lung, count as 0.

    Args:
        array: uint8, (z, y, x); 0 to 255 stand for 0 to 1.
        geometry: the grid of the scan.
        header: the scan's NIfTI header, when it had one.
    """

    array: npt.NDArray[np.uint8]
    geometry: Geometry
    header: Any = None

    def to_sitk(self) -> sitk.Image:
        """As a SimpleITK image (uint8); raises GeometryError as `Mask.to_sitk`."""
        return sitk_image(self.array, self.geometry)

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """As a nibabel image (uint8, unscaled); array axes (x, y, z), world RAS."""
        image = nibabel_image(self.array, self.geometry, self.header)
        image.header["descrip"] = b"pleura: probability of lung, 255 = 1"
        return image


def sitk_image(array: npt.NDArray[Any], geometry: Geometry) -> sitk.Image:
    """A SimpleITK image of a (z, y, x) array; raises GeometryError on a sheared grid."""
    import SimpleITK as sitk

    if not geometry.is_orthogonal:
        raise GeometryError(
            "This scan's grid is sheared (gantry tilt), which only NIfTI can store; "
            "use a .nii.gz output or Mask.to_nibabel()."
        )
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing_zyx_mm[::-1])
    image.SetOrigin(geometry.origin_lps_mm)
    image.SetDirection(geometry.direction_lps.ravel().tolist())
    return image


_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nibabel_image(
    array: npt.NDArray[Any], geometry: Geometry, header: Any = None
) -> nibabel.Nifti1Image:
    """A nibabel image of a (z, y, x) array; the sform, qform and units of `header` are repeated."""
    import nibabel

    data = array.transpose(2, 1, 0)
    # NIfTI-2 holds its affine in doubles, which NIfTI-1 would round.
    wide = isinstance(header, nibabel.Nifti2Header)
    kind: Any = nibabel.Nifti2Image if wide else nibabel.Nifti1Image
    image: nibabel.Nifti1Image = kind(data, _LPS_TO_RAS @ geometry.affine, dtype=array.dtype)
    if header is None:
        image.header.set_xyzt_units("mm")
        image.set_qform(image.affine, code=1)
        image.set_sform(image.affine, code=1)
        return image
    # Geometry fields are copied raw: setting them through nibabel would round the quaternion again.
    for name in (
        "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
        "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units",
    ):  # fmt: skip
        image.header[name] = header[name]
    image.header["pixdim"][:4] = header["pixdim"][:4]
    return image
