"""Segments of DICOM SEG and contours of RTSTRUCT -> voxels of the CT they were drawn on.

SEG frames and contour planes are matched to the scan's grid by their position, so that frames left
out because they are empty, flipped axes and single slices are all one case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.utils import iter_pixels

from pleura.errors import GeometryError, PleuraError, UnreadableError
from pleura.findings import count_of
from pleura.lab.label_map import Canvas, LabelMap, painting_order
from pleura.lab.mask_objects import MaskObject, items
from pleura.lab.polygons import Polygon, fill_even_odd, without_duplicates
from pleura.read.dicom_frames import Slice
from pleura.read.dicom_headers import read_headers
from pleura.read.dicom_values import integer_of, text_of
from pleura.volume import Geometry, Volume

_SEG_TAGS = (
    "SegmentationType", "MaximumFractionalValue", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
Vector = npt.NDArray[np.float64]

_SAME_VOXEL = 0.25  # voxels by which a mask may lie beside the scan's grid: far from the next
_MOST_SKIPPED = 0.1  # of the slices between an ROI's first and last contour


@dataclass(frozen=True)
class DicomMasks:
    """The masks of one scan, from one file or from several that complete each other.

    Args:
        objects: SEG and RTSTRUCT files.
        notes: what is to be said about them.
    """

    objects: tuple[MaskObject, ...]
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(found.path for found in self.objects)

    def read(self, volume: Volume) -> LabelMap:
        """Labels on the volume's grid.

        Raises:
            UnreadableError: a damaged file.
            GeometryError: a mask that doesn't lie on the scan's slices.
            InputError: no lung in it.
        """
        canvas = Canvas(volume.geometry)
        painters = [(found, _painter(found)) for found in self.objects]
        for structure in painting_order(
            {name for found in self.objects for name in found.structures}
        ):
            for found, painter in painters:
                numbers = found.structures.get(structure, ())
                try:
                    painter.paint(structure, numbers, canvas)
                except PleuraError:
                    raise
                except Exception as error:  # pydicom raises many kinds
                    raise _damaged(found.path, error) from error
        labels = canvas.label_map(" and ".join(str(found.path) for found in self.objects))
        notes = (*self.notes, *labels.notes)
        return LabelMap(labels.array, labels.geometry, labels.scheme, labels.airways, notes)


class _Painter(Protocol):
    def paint(self, structure: str, numbers: Sequence[int], canvas: Canvas) -> None: ...


def _painter(found: MaskObject) -> _Painter:
    try:
        return _Segments(found.path) if found.is_seg else _Contours(found.path)
    except PleuraError:
        raise
    except Exception as error:
        raise _damaged(found.path, error) from error


def _damaged(path: Path, error: Exception) -> UnreadableError:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return UnreadableError(f"'{path}' can't be read ({reason.rstrip('.')}); export it again.")


class _Segments:
    """A SEG; its frames are decoded one by one, since those of 100 organs would fill the memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames = read_headers(path)
        self._image = self._frames[0].image
        if self._image.damage:  # pydicom would fill up what is cut off
            raise UnreadableError(f"'{path}' {self._image.damage}; export it again.")
        ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_SEG_TAGS])
        shared = [_segment_of(group) for group in items(ds, "SharedFunctionalGroupsSequence")]
        self._numbers = [
            _segment_of(group) or next(iter(shared), None)
            for group in items(ds, "PerFrameFunctionalGroupsSequence")
        ]
        kind = text_of(ds, "SegmentationType")
        self._is_label_map = kind == "LABELMAP"
        self._threshold = 1.0
        if kind == "FRACTIONAL":
            self._threshold = (integer_of(ds, "MaximumFractionalValue") or 255) / 2

    def paint(self, structure: str, numbers: Sequence[int], canvas: Canvas) -> None:
        wanted = [
            k for k, number in enumerate(self._numbers) if self._is_label_map or number in numbers
        ]
        if not numbers or not wanted:
            return
        for k, stored in zip(wanted, self._stored(wanted), strict=True):
            inside = np.isin(stored, numbers) if self._is_label_map else stored >= self._threshold
            canvas.paint(structure, self._voxels(inside, self._frames[k], canvas.geometry))

    def _stored(self, wanted: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        """The stored values (rows, columns) of some frames."""
        image = self._image
        if image.bits_allocated != 1 or not image.offset:
            yield from iter_pixels(self._path, indices=wanted, raw=True)
            return
        # Frames of bits follow each other without a gap, so that one may begin within a byte
        # (PS3.5 8.1.1); pydicom 3.0 and highdicom 0.28 stumble over that.
        size = image.rows * image.columns
        with self._path.open("rb") as file:
            for k in wanted:
                first, shift = divmod(k * size, 8)
                file.seek(image.offset + first)
                packed = np.frombuffer(file.read((shift + size + 7) // 8), dtype=np.uint8)
                bits = np.unpackbits(packed, bitorder="little")[shift : shift + size]
                yield bits.reshape(image.rows, image.columns)

    def _voxels(
        self, inside: npt.NDArray[np.bool_], frame: Slice, geometry: Geometry
    ) -> tuple[npt.NDArray[np.intp], ...]:
        """Indices (z, y, x) on the scan's grid of the pixels inside."""
        start, along_row, along_column = _placed(frame, inside.shape, geometry, self._path)
        rows, columns = np.nonzero(inside)
        xyz = start[:, None] + np.outer(along_row, columns) + np.outer(along_column, rows)
        beyond = xyz >= np.array(geometry.shape_zyx[::-1])[:, None]
        if ((xyz < 0) | beyond).any():
            raise GeometryError(f"'{self._path}' reaches outside the scan; was the scan cropped?")
        return tuple(xyz[::-1])


def _segment_of(group: pydicom.Dataset) -> int | None:
    for item in items(group, "SegmentIdentificationSequence"):
        return integer_of(item, "ReferencedSegmentNumber")
    return None


def _placed(
    frame: Slice, shape: tuple[int, ...], geometry: Geometry, path: Path
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Index (x, y, z) of a frame's first pixel, and the steps along its row and its column."""
    if frame.position is None or frame.orientation is None or frame.pixel_spacing is None:
        raise GeometryError(f"'{path}' doesn't say where its frames lie; export it again.")
    inverse = np.linalg.inv(geometry.affine)
    turn = inverse[:3, :3]
    start = inverse[:3] @ [*frame.position, 1.0]
    along_row = turn @ np.multiply(frame.orientation[:3], frame.pixel_spacing[1])
    along_column = turn @ np.multiply(frame.orientation[3:], frame.pixel_spacing[0])
    whole = np.rint(start), np.rint(along_row), np.rint(along_column)
    last = np.array(shape) - 1
    off = [
        np.abs(
            start - whole[0] + r * (along_column - whole[2]) + c * (along_row - whole[1])
        ).max()
        for r in (0, last[0])
        for c in (0, last[1])
    ]  # fmt: skip
    if max(off) > _SAME_VOXEL or any(np.abs(step).sum() != 1 for step in whole[1:]):
        raise GeometryError(
            f"'{path}' lies on another grid than the scan; export it on the scan's own slices."
        )
    return tuple(vector.astype(np.intp) for vector in whole)  # type: ignore[return-value]


class _Contours:
    """The contours of an RTSTRUCT file, filled by the even-odd rule, so that inner ones cut holes.

    DICOM PS3.3 C.8.8.6: closed planar contours in the patient's mm. A contour that is there twice
    would be a hole of its own size, so it counts once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rois: dict[int, pydicom.Dataset] = {}
        for item in items(pydicom.dcmread(path), "ROIContourSequence"):
            self._rois[integer_of(item, "ReferencedROINumber") or 0] = item

    def paint(self, structure: str, numbers: Sequence[int], canvas: Canvas) -> None:
        planes: set[int] = set()
        twice: set[int] = set()
        nothing: set[int] = set()
        for number in numbers:
            filled = self._polygons(number, canvas.geometry)
            for z, drawn in filled.items():
                polygons = without_duplicates(drawn)
                rows, columns = np.nonzero(fill_even_odd(polygons, canvas.geometry.shape_zyx[1:]))
                canvas.paint(structure, (np.full(rows.size, z), rows, columns))
                if len(polygons) < len(drawn):
                    twice.add(z)
                if not rows.size:
                    nothing.add(z)
            planes |= filled.keys()
        if planes:
            self._check_gaps(structure, planes, canvas)
        for found, what in ((twice, "are there twice and count once"), (nothing, "hold no pixel")):
            if found:
                canvas.note(f"contours of {structure} {what} on {count_of(len(found), 'slice')}")

    def _polygons(self, number: int, geometry: Geometry) -> dict[int, list[Polygon]]:
        """Slice -> polygons in pixels (x, y)."""
        inverse = np.linalg.inv(geometry.affine)
        found: dict[int, list[Polygon]] = {}
        for points in self._closed(number):
            xyz = points @ inverse[:3, :3].T + inverse[:3, 3]
            depth = float(xyz[:, 2].mean())
            if np.ptp(xyz[:, 2]) > 2 * _SAME_VOXEL:
                raise GeometryError(
                    f"Contours in '{self._path}' are oblique to the scan's slices; draw them on "
                    "the slices."
                )
            z = round(depth)
            if abs(depth - z) > _SAME_VOXEL:
                raise GeometryError(
                    f"Contours in '{self._path}' lie between the scan's slices; were slices lost "
                    "or resampled?"
                )
            if not 0 <= z < geometry.shape_zyx[0]:
                raise GeometryError(
                    f"Contours in '{self._path}' reach outside the scan; was the scan cropped?"
                )
            found.setdefault(z, []).append(xyz[:, :2])
        return found

    def _closed(self, number: int) -> Iterator[Vector]:
        """Corners (n, 3) in LPS mm of an ROI's closed contours."""
        for contour in items(self._rois.get(number, pydicom.Dataset()), "ContourSequence"):
            points = _coordinates(contour)
            if text_of(contour, "ContourGeometricType").startswith("CLOSED") and len(points) > 2:
                yield points

    def _check_gaps(self, structure: str, planes: set[int], canvas: Canvas) -> None:
        between = max(planes) - min(planes) + 1
        skipped = between - len(planes)
        if skipped > _MOST_SKIPPED * between:
            raise GeometryError(
                f"Contours of {structure} in '{self._path}' skip {skipped} of {between} slices; "
                "interpolate them first."
            )
        if skipped:
            canvas.note(f"contours of {structure} skip {count_of(skipped, 'slice')}")


def _coordinates(contour: pydicom.Dataset) -> Vector:
    """(n, 3) LPS mm. The text itself: pydicom's decimal strings take minutes for a whole lung."""
    raw = contour.get_item("ContourData")
    value = None if raw is None else raw.value
    if isinstance(value, bytes):
        value = value.strip(b"\0 ").split(b"\\") if value.strip(b"\0 ") else []
    return np.array(value if value is not None else [], dtype=np.float64).reshape(-1, 3)
