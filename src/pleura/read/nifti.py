"""NIfTI -> array and grid, by nibabel."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pleura.errors import UnreadableError
from pleura.findings import Finding
from pleura.gzipped import open_gzip
from pleura.imports import spared
from pleura.read.free_memory import check_memory
from pleura.read.limits import MOST_DEFLATE, check_held, three_dimensions
from pleura.read.rescale import shift_to_hu
from pleura.volume import Geometry

if TYPE_CHECKING:
    from gzip import GzipFile

Grid = tuple[npt.NDArray[Any], Geometry, Any, tuple[Finding, ...]]

_QUIET = logging.Logger("nibabel", logging.CRITICAL)  # its own remarks go to standard error
_AS_ERROR = logging.ERROR  # as it has by itself
_MM_PER_UNIT = {"meter": 1000.0, "micron": 0.001}  # NIfTI's other units of length
_MOST_TRAILING = 1 << 20  # bytes that may follow the voxels
_MOST_EXTENSIONS = 1 << 26  # bytes that may come before them
# 1 - b^2 - c^2 - d^2, by which a quaternion's first number is found, is rounded in float32.
_QUATERNION_ROUNDING = 4e-7


def read_nifti(path: Path) -> Grid:
    """Array (z, y, x) as stored, rescaled; its grid; the header; findings.

    Nothing is allocated before the header was found to be possible; libraries' own errors pass
    through.

    Raises:
        GeometryError: 4-D, empty or too large.
        UnreadableError: no NIfTI, or more voxels than the file can hold.
        MemoryLimitError: they don't fit into memory.
    """
    # Not nibabel.load: it reads no checksum, and takes only some spellings of the suffix.
    packed = path.name.lower().endswith(".gz")
    with open_gzip(path) if packed else path.open("rb") as stream:
        image = _unread(stream, path)
        _check_claims(image, path, packed)
        read = from_nibabel(image, str(path))
        if packed:  # the checksum behind the voxels is only compared by reading on
            stream.read(_MOST_TRAILING)
    return read


def _unread(stream: IO[bytes] | GzipFile, path: Path) -> Any:
    """A nibabel image whose voxels are still in the file.

    Not `from_stream`: it reads extensions of any length, which nobody needs, and maps a plain file
    into memory, where a file that is cut meanwhile ends the process.
    """
    # pydicom takes half of nibabel's time to load, for DICOM in NIfTI's extensions.
    with spared("nibabel", "pydicom"):
        from nibabel import Nifti1Image, Nifti2Image

    start = stream.read(4)
    sizes = {int.from_bytes(start, "little"), int.from_bytes(start, "big")}
    kind: Any = Nifti1Image if 348 in sizes else Nifti2Image if 540 in sizes else None
    if kind is None:
        raise UnreadableError(
            f"{path} has no NIfTI header; it is damaged or not what its suffix says, "
            "copy or convert the scan again."
        )
    length = kind.header_class.template_dtype.itemsize
    header = kind.header_class(start + stream.read(length - len(start)), check=False)
    header.check_fix(_QUIET, _AS_ERROR)
    return kind(kind.ImageArrayProxy(stream, header.copy(), mmap=False), None, header)


def _check_claims(image: Any, path: Path, packed: bool) -> None:
    header = image.header
    shape = three_dimensions(header.get_data_shape(), str(path))
    dtype, offset = header.get_data_dtype(), image.dataobj.offset  # the header forgets its own
    voxels, size = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if offset < len(header.binaryblock):  # nibabel lets 0 pass, which stands for "unset"
        raise UnreadableError(
            f"{path} claims that its voxels begin within its header (at byte {offset}); "
            "convert the scan again."
        )
    if packed and offset > _MOST_EXTENSIONS:
        raise UnreadableError(
            f"{path} claims {offset} bytes before its voxels; it is damaged, "
            "copy or convert the scan again."
        )
    if packed:
        check_held(path, offset + voxels, size, MOST_DEFLATE)
    else:
        check_held(path, voxels, size - offset)
    as_read = dtype.kind == "i" and dtype.itemsize == 2 and dtype.isnative
    mask = math.prod(shape)
    check_memory(voxels + mask + (0 if as_read else 2 * mask), str(path))


def from_nibabel(image: Any, where: str) -> Grid:
    """Array (z, y, x), grid (RAS turned to LPS), header and findings of a nibabel image."""
    from nibabel.nifti1 import Nifti1Header

    shape = three_dimensions(image.shape, where)
    # Other formats that nibabel knows have no fields that a NIfTI mask could repeat.
    header = image.header if isinstance(image.header, Nifti1Header) else None
    findings: tuple[Finding, ...] = ()
    affine = image.header.get_best_affine() if image.affine is None else image.affine
    unit = header.get_xyzt_units()[0] if header is not None else "mm"
    if unit in _MM_PER_UNIT:
        affine = np.diag([*[_MM_PER_UNIT[unit]] * 3, 1.0]) @ affine
        message = f"The NIfTI header gives lengths in {unit}; they were turned to mm."
        findings = (Finding("units_converted", "note", message),)
    if header is not None and not (header["qform_code"] or header["sform_code"]):
        finding = Finding(
            "orientation_missing",
            "warn",
            "The NIfTI header has neither qform nor sform; the patient's sides are assumed.",
        )
        findings = (*findings, finding)
    array = _numbers(image)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    array = array.reshape(shape).transpose(2, 1, 0)
    geometry = Geometry((shape[2], shape[1], shape[0]), affine)
    if header is not None and header["qform_code"] > 0 and header["sform_code"] > 0:
        findings = (*findings, *_orientation_conflict(header, geometry))
    return array, geometry, header, findings


def _orientation_conflict(header: Any, geometry: Geometry) -> list[Finding]:
    """A qform that is mirrored or more than half a voxel from the sform at a corner of the grid.

    A sheared sform is only looked at for mirroring, as no qform can repeat it.
    """
    from nibabel.spatialimages import HeaderDataError

    try:
        qform, sform = header.get_qform(), header.get_sform()
        turn = header.get_qform_quaternion()[0]
    except (HeaderDataError, ValueError):  # quaternions or spacings that are none
        return []
    if not np.isfinite(qform).all():
        return []
    mirrored = np.linalg.det(qform[:3, :3]) * np.linalg.det(sform[:3, :3]) < 0
    if not (mirrored or geometry.is_orthogonal):
        return []
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(geometry.shape_zyx[::-1]) - 1)
    apart = np.linalg.norm(corners @ (qform - sform)[:3, :3].T + (qform - sform)[:3, 3], axis=1)
    lever = np.linalg.norm(corners @ sform[:3, :3].T, axis=1)
    rounding = 2 * (np.sqrt(turn**2 + _QUATERNION_ROUNDING) - turn) * lever
    voxel = np.linalg.norm(sform[:3, :3], axis=0).min()
    if not mirrored and (apart - rounding).max() <= voxel / 2:
        return []
    millimetres = apart.max() * _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
    return [
        Finding(
            "orientation_conflict",
            "warn",
            f"The NIfTI header's qform and sform are up to {millimetres:.1f} mm apart"
            f"{' and mirror each other' if mirrored else ''}; the sform was taken, but other tools "
            "may take the qform, so check the sides and the place.",
        )
    ]


def _numbers(image: Any) -> npt.NDArray[Any]:
    """The voxels, rescaled; as int16 where that is exact, which spares a copy in floats."""
    slope, offset = getattr(image.dataobj, "slope", 1), getattr(image.dataobj, "inter", 0)
    if slope == 1 and offset == 0:
        return np.asanyarray(image.dataobj)
    # Asked without voxels first: reading a packed file twice takes twice as long.
    if shift_to_hu(np.empty(0, image.dataobj.dtype), slope, offset, np.empty(0, np.int16)):
        stored = image.dataobj.get_unscaled()
        if stored.flags.writeable:
            array: npt.NDArray[Any] = stored.view(np.int16)
            if shift_to_hu(stored, slope, offset, array):
                return array
        del stored  # sums beyond int16
    return np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
