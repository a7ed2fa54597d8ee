"""NIfTI, NRRD, MetaImage and single-slice TIFF -> Volume."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pleura.errors import MemoryLimitError, NotCTError, PleuraError, UnreadableError
from pleura.findings import Finding
from pleura.read import metaimage, nrrd
from pleura.read.check import checked
from pleura.read.free_memory import check_memory
from pleura.read.intensity import to_hu
from pleura.read.itk_path import itk_path
from pleura.read.limits import check_held, three_dimensions
from pleura.read.nifti import Grid, read_nifti
from pleura.read.nifti import from_nibabel as from_nibabel
from pleura.read.tiff import check_pages
from pleura.read.unchanged import unchanged
from pleura.volume import Geometry, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

NIFTI_SUFFIXES = (".nii.gz", ".nii")
ITK_SUFFIXES = {".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "metaimage", ".mhd": "metaimage"}
TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES, *TIFF_SUFFIXES)

_ITK_READERS = {"nrrd": "NrrdImageIO", "metaimage": "MetaImageIO", "tiff": "TIFFImageIO"}
_MOST_TIFF_PACKING = 5000  # LZW packs best of what scanners' pictures use, 2,500 times
_NO_MEMORY = ("Failed to allocate", "bad_alloc")


def read_file(path: Path) -> Volume:
    """Read one image file by its suffix; raises as `pleura.read` does."""
    try:
        array, geometry, header, findings = read_grid(path)
    except PleuraError:
        raise
    except MemoryError as error:
        raise _no_memory(path) from error
    except PermissionError as error:
        raise UnreadableError(f"{path} may not be read by you; check its permissions.") from error
    except Exception as error:  # every library has its own errors for damaged files
        if any(words in str(error) for words in _NO_MEMORY):
            raise _no_memory(path) from error
        raise UnreadableError(
            f"{path} can't be read ({_reason(error)}); it is damaged or not what its suffix says."
        ) from error
    hu, more = to_hu(array, str(path))
    return checked(Volume(hu, geometry, path, _format_of(path), (*findings, *more), header))


def _no_memory(path: Path) -> MemoryLimitError:
    return MemoryLimitError(f"{path} does not fit into memory; free some or crop the scan.")


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # SimpleITK's messages end with the reason, behind lines about where in ITK it came up.
    reason = lines[-1 if isinstance(error, RuntimeError) else 0] if lines else type(error).__name__
    if "Cannot open file" in reason:  # it was opened before, so ITK can't tell what it is
        return "unknown content"
    reason = re.sub(r"^ITK ERROR: (\w+\(\w+\): )?", "", reason)
    return re.sub(r"[.!?]\s+", "; ", reason)[:200].rstrip(".!?")


def _format_of(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return "nifti"
    return ITK_SUFFIXES.get(path.suffix.lower(), "tiff")


def read_grid(path: Path) -> Grid:
    """Numbers as stored (rescaled, any type), their grid, the NIfTI header if any, and findings.

    For scans and masks alike; libraries' own errors pass through.
    """
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        with unchanged(path):
            return read_nifti(path)
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


def _read_itk(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(itk_path(path))
    # It is asked only about headers that can't harm it: it allocates before it looks at the data.
    kind, data = _format_of(path), None
    files: Sequence[Path] = ()
    if kind == "metaimage":
        data = metaimage.data_file(path)
        files = data.files
    elif kind == "nrrd":
        files = nrrd.data_files(path)
    else:
        check_pages(path)
    # Named, as ITK doesn't find it for every upper-case suffix and would try others for damage.
    reader.SetImageIO(_ITK_READERS[kind])
    with unchanged(path, *files):
        reader.ReadImageInformation()
        if reader.GetNumberOfComponents() > 1:
            raise NotCTError(
                f"{path} is a colour or vector image, not a CT; give the original scan."
            )
        voxels = math.prod(three_dimensions(reader.GetSize(), str(path)))
        itemsize = sitk.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
        if kind == "tiff":
            check_held(path, voxels * itemsize, path.stat().st_size, _MOST_TIFF_PACKING)
        # ITK's image and its copy as an array; and later the mask.
        check_memory(voxels * (2 * itemsize + 1), str(path))
        array, geometry = from_sitk(reader.Execute(), str(path))
        if data is not None:
            metaimage.verify(data, array, path)
    return array, geometry


def from_sitk(image: sitk.Image, where: str) -> tuple[npt.NDArray[Any], Geometry]:
    """Array (z, y, x) and grid of a 2-D or 3-D SimpleITK image (4-D with one time point too)."""
    import SimpleITK as sitk

    if image.GetNumberOfComponentsPerPixel() > 1:
        raise NotCTError(f"{where} is a colour or vector image, not a CT; give the original scan.")
    x, y, z = three_dimensions(image.GetSize(), where)
    array = sitk.GetArrayFromImage(image).reshape(z, y, x)
    dimension = image.GetDimension()
    spacing, origin, direction = np.ones(3), np.zeros(3), np.eye(3)
    used = min(dimension, 3)
    spacing[:used] = image.GetSpacing()[:used]
    origin[:used] = image.GetOrigin()[:used]
    matrix = np.asarray(image.GetDirection()).reshape(dimension, dimension)
    direction[:used, :used] = matrix[:used, :used]
    return array, Geometry.from_parts((z, y, x), spacing[::-1].tolist(), origin.tolist(), direction)
