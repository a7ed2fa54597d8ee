"""A label of a mask -> a closed surface in patient millimetres, smooth and of the mask's volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pleura.volume import Mask

if TYPE_CHECKING:
    import trimesh

Floats = npt.NDArray[np.float64]
Field = npt.NDArray[np.float32]

_FINEST_MM = 1.5  # finer than this a lung's surface has a million triangles and shows no more
_LEAST_VOXELS = 24  # an axis isn't made coarser than this many voxels
_THICK_MM, _THICK_RATIO = 2.5, 1.5
_SLICE_MM = 1.5  # slices are interpolated to about this
_LEVEL = 0.4999  # below the value of an average of equal parts, where the surface would degenerate
_PASSES, _LAMBDA, _MU = 15, 0.5, 0.53
_KEPT = (0.5, 2.0)  # of the volume
_VOLUME_TOLERANCE = 1e-4
_MOST_STEPS = 20


@dataclass(frozen=True)
class _Part:
    """A field whose level 0.5 is the surface, and where its index (x, y, z) lies in LPS mm."""

    field: Field
    affine: Floats


def mesh_of(mask: Mask, label: int) -> trimesh.Trimesh | None:
    """The surface of one label; None where there is none of it.

    Thin voxels are averaged to blocks of at most 1.5 mm; thick slices are interpolated by their
    distance in plane (Raya and Udupa, IEEE TMI 1990), since steps of 5 mm would be all one sees.
    Marching cubes (Lewiner 2003), then Taubin's smoothing (SIGGRAPH 1995), which hardly shrinks;
    what it does is put right along the normals until the volume is the label's within 0.01 %.

    Returns:
        Vertices in LPS mm, faces turned outwards, closed.
    """
    import trimesh
    from skimage.measure import marching_cubes

    inside = mask.array == label
    if not inside.any():
        return None
    part = _block_averages(*_cropped(inside, mask.geometry.affine))
    vertices_zyx, faces, _, _ = marching_cubes(part.field, _LEVEL)
    index = vertices_zyx[:, ::-1].astype(np.float64)
    vertices = index @ part.affine[:3, :3].T + part.affine[:3, 3]
    mesh = trimesh.Trimesh(vertices, faces, process=False, validate=False)
    if mesh.volume < 0:
        mesh.invert()
    volume_mm3 = float(inside.sum()) * mask.geometry.voxel_ml * 1000
    smooth = mesh.copy()
    trimesh.smoothing.filter_taubin(smooth, lamb=_LAMBDA, nu=_MU, iterations=_PASSES)
    # A few voxels alone would collapse.
    kept = smooth if _KEPT[0] < smooth.volume / volume_mm3 < _KEPT[1] else mesh
    return _with_volume(kept, volume_mm3)


def _cropped(inside: npt.NDArray[np.bool_], affine: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
    """The label's box, and the affine of that."""
    box = []
    for axis in range(3):
        places = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.array([s.start for s in box[::-1]], dtype=float)
    return inside[tuple(box)], moved


def _block_averages(inside: npt.NDArray[np.bool_], affine: Floats) -> _Part:
    """Blocks of whole voxels averaged, a rim of zeros about them."""
    spacing_zyx = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    thick = int(spacing_zyx.argmax())
    field: Field = inside.astype(np.float32)
    if spacing_zyx[thick] > max(_THICK_MM, _THICK_RATIO * float(np.sort(spacing_zyx)[1])):
        field, affine = _interpolated(inside, affine, thick)
    affine = affine.copy()
    for axis in range(3):
        spacing = float(np.linalg.norm(affine[:3, 2 - axis]))
        most = max(1, field.shape[axis] // _LEAST_VOXELS)
        size = min(most, max(1, int(_FINEST_MM / spacing + 1e-6)))
        if size > 1:
            field = _averaged(field, axis, size)
            affine[:3, 3] += affine[:3, 2 - axis] * (size - 1) / 2
            affine[:3, 2 - axis] *= size
    affine[:3, 3] -= affine[:3, :3].sum(axis=1)
    return _Part(np.pad(field, 1), affine)


def _averaged(field: Field, axis: int, size: int) -> Field:
    lacking = -field.shape[axis] % size
    widths = [(0, lacking if a == axis else 0) for a in range(3)]
    starts = np.arange(0, field.shape[axis] + lacking, size)
    sums: Field = np.add.reduceat(np.pad(field, widths), starts, axis=axis)
    return np.asarray(sums / size, dtype=np.float32)


def _interpolated(inside: npt.NDArray[np.bool_], affine: Floats, axis: int) -> tuple[Field, Floats]:
    """Slices between thick ones, by linear interpolation of the signed distance within slices."""
    from scipy.ndimage import distance_transform_edt

    pixel_zyx = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    pixel = [float(pixel_zyx[a]) for a in range(3) if a != axis]
    planes = np.pad(np.moveaxis(inside, axis, 0), 1)  # empty slices close both ends
    reach = float(pixel_zyx[axis])
    distances: Field = np.empty(planes.shape, dtype=np.float32)
    for plane, signed in zip(planes, distances, strict=True):
        # Half a pixel: the edge lies between the centres of two pixels.
        within = distance_transform_edt(plane, sampling=pixel) if plane.any() else 0.0
        without = distance_transform_edt(~plane, sampling=pixel) if plane.any() else np.inf
        half = min(pixel) / 2
        signed[:] = np.clip(np.where(plane, within - half, half - without), -reach, reach)
    parts = max(1, round(reach / _SLICE_MM))
    places = np.arange((len(planes) - 1) * parts + 1) / parts
    low = np.minimum(places.astype(int), len(planes) - 2)
    share = (places - low).astype(np.float32)[:, None, None]
    between = (1 - share) * distances[low] + share * distances[low + 1]
    # Within half a pixel of the edge the distance becomes a part of a voxel.
    field: Field = np.asarray(np.clip(between / min(pixel) + 0.5, 0, 1), dtype=np.float32)
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :3].sum(axis=1)
    moved[:3, 2 - axis] /= parts
    return np.moveaxis(field, 0, axis), moved


def _with_volume(mesh: trimesh.Trimesh, volume_mm3: float) -> trimesh.Trimesh:
    """Move vertices along their normals until the volume is right."""
    longest = volume_mm3 ** (1 / 3) / 8
    for _ in range(_MOST_STEPS):
        lacking = volume_mm3 - float(mesh.volume)
        if abs(lacking) <= _VOLUME_TOLERANCE * volume_mm3:
            break
        step = np.clip(lacking / float(mesh.area), -longest, longest)
        mesh.vertices = mesh.vertices + mesh.vertex_normals * step
    return mesh
