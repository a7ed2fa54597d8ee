"""NIfTI, NRRD, MetaImage and single-slice TIFF -> Volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pleura.errors import GeometryError, NotCTError, PleuraError, UnreadableError
from pleura.findings import Finding
from pleura.gzipped import open_gzip
from pleura.imports import spared
from pleura.read.check import checked
from pleura.read.intensity import to_hu
from pleura.read.metaimage import data_file, verify
from pleura.read.rescale import shift_to_hu
from pleura.volume import MOST_VOXELS, Geometry, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

NIFTI_SUFFIXES = (".nii.gz", ".nii")
ITK_SUFFIXES = {".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "metaimage", ".mhd": "metaimage"}
TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES, *TIFF_SUFFIXES)

_MM_PER_UNIT = {"meter": 1000.0, "micron": 0.001}  # NIfTI's other units of length
_MOST_TRAILING = 1 << 20  # bytes that may follow the voxels


def read_file(path: Path) -> Volume:
    """Read one image file by its suffix; raises as `pleura.read` does."""
    try:
        array, geometry, header, findings = read_grid(path)
    except PleuraError:
        raise
    except MemoryError as error:
        raise PleuraError(
            f"{path} does not fit into memory; free some or crop the scan."
        ) from error
    except PermissionError as error:
        raise UnreadableError(f"{path} may not be read by you; check its permissions.") from error
    except Exception as error:  # every library has its own errors for damaged files
        raise UnreadableError(
            f"{path} can't be read ({_reason(error)}); it is damaged or not what its suffix says."
        ) from error
    hu, more = to_hu(array, str(path))
    return checked(Volume(hu, geometry, path, _format_of(path), (*findings, *more), header))


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # SimpleITK's messages end with the reason, behind lines about where in ITK it came up.
    reason = lines[-1 if isinstance(error, RuntimeError) else 0] if lines else type(error).__name__
    if "Unable to determine ImageIO" in reason:
        return "unknown content"
    return reason[:200].rstrip(".")


def _format_of(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return "nifti"
    return ITK_SUFFIXES.get(path.suffix.lower(), "tiff")


def read_grid(
    path: Path,
) -> tuple[npt.NDArray[Any], Geometry, Any, tuple[Finding, ...]]:
    """Numbers as stored (rescaled, any type), their grid, the NIfTI header if any, and findings.

    For scans and masks alike; libraries' own errors pass through.
    """
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return _read_nifti(path)
    array, geometry = _read_itk(path)
    if not name.endswith(TIFF_SUFFIXES):
        return array, geometry, None, ()
    finding = Finding(
        "spacing_assumed",
        "warn",
        "A TIFF has no spacing and no patient's axes: 1 mm and the usual view (patient's right "
        "on the left) are assumed, so volumes are in pixels.",
    )
    return array, Geometry.from_parts(geometry.shape_zyx), None, (finding,)


def _read_nifti(path: Path) -> tuple[npt.NDArray[Any], Geometry, Any, tuple[Finding, ...]]:
    # pydicom takes half of nibabel's time to load, for DICOM in NIfTI's extensions.
    with spared("nibabel", "pydicom"):
        from nibabel import Nifti1Image, Nifti2Image

    # Not nibabel.load: it reads no checksum, and takes only some spellings of the suffix.
    packed = path.name.lower().endswith(".gz")
    with open_gzip(path) if packed else path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        sizes = {int.from_bytes(start, "little"), int.from_bytes(start, "big")}
        kind = Nifti1Image if 348 in sizes else Nifti2Image if 540 in sizes else None
        if kind is None:
            raise UnreadableError(
                f"{path} has no NIfTI header; it is damaged or not what its suffix says, "
                "copy or convert the scan again."
            )
        read = from_nibabel(kind.from_stream(stream), str(path))
        if packed:  # the checksum behind the voxels is only compared by reading on
            stream.read(_MOST_TRAILING)
    return read


def from_nibabel(
    image: Any, where: str
) -> tuple[npt.NDArray[Any], Geometry, Any, tuple[Finding, ...]]:
    """Array (z, y, x), grid (RAS turned to LPS), header and findings of a nibabel image."""
    from nibabel.nifti1 import Nifti1Header

    shape = _three_dimensions(image.shape, where)
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
    return array, Geometry((shape[2], shape[1], shape[0]), affine), header, findings


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


def _read_itk(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    data = None
    if _format_of(path) == "metaimage":
        data = data_file(path)
        reader.SetImageIO("MetaImageIO")  # which ITK itself doesn't find for an upper-case suffix
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() > 1:
        raise NotCTError(f"{path} is a colour or vector image, not a CT; give the original scan.")
    _three_dimensions(reader.GetSize(), str(path))
    array, geometry = from_sitk(reader.Execute(), str(path))
    if data is not None:
        verify(data, array, path)
    return array, geometry


def from_sitk(image: sitk.Image, where: str) -> tuple[npt.NDArray[Any], Geometry]:
    """Array (z, y, x) and grid of a 2-D or 3-D SimpleITK image (4-D with one time point too)."""
    import SimpleITK as sitk

    if image.GetNumberOfComponentsPerPixel() > 1:
        raise NotCTError(f"{where} is a colour or vector image, not a CT; give the original scan.")
    x, y, z = _three_dimensions(image.GetSize(), where)
    array = sitk.GetArrayFromImage(image).reshape(z, y, x)
    dimension = image.GetDimension()
    spacing, origin, direction = np.ones(3), np.zeros(3), np.eye(3)
    used = min(dimension, 3)
    spacing[:used] = image.GetSpacing()[:used]
    origin[:used] = image.GetOrigin()[:used]
    matrix = np.asarray(image.GetDirection()).reshape(dimension, dimension)
    direction[:used, :used] = matrix[:used, :used]
    return array, Geometry.from_parts((z, y, x), spacing[::-1].tolist(), origin.tolist(), direction)


def _three_dimensions(shape: Sequence[int], where: str) -> tuple[int, int, int]:
    """The shape with 3 entries (2-D gets one slice); refuses 4-D, empty and absurd grids."""
    full = [int(n) for n in shape] + [1] * (3 - len(shape))
    if any(n > 1 for n in full[3:]):
        raise GeometryError(
            f"{where} has {len(shape)} dimensions {tuple(shape)}; extract one 3-D scan from it."
        )
    x, y, z = full[:3]
    if min(x, y, z) < 1:
        raise GeometryError(f"{where} has no voxels {tuple(shape)}; convert the scan again.")
    if x * y * z > MOST_VOXELS:
        raise GeometryError(
            f"{where} claims {x} x {y} x {z} voxels, more than pleura takes ({MOST_VOXELS:,}); "
            "its header is damaged, or crop it."
        )
    return x, y, z
