"""Images in memory -> Volume: numpy with spacing, SimpleITK, nibabel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pleura.errors import GeometryError, UsageError
from pleura.read.check import checked
from pleura.read.intensity import to_hu
from pleura.volume import Geometry, Volume

_WHERE = "The image in memory"


def read_memory(image: Any, spacing: Sequence[float] | None) -> Volume:
    """Take an image that is already in memory; raises as `pleura.read` does.

    A numpy array is (z, y, x) or (y, x), HU, with the patient's head at the last slice, back at
    the last row and left at the last column, as an axial series loaded by SimpleITK lies.
    """
    if isinstance(image, Volume) and spacing is None:
        return image
    if isinstance(image, np.ndarray):
        return _from_array(image, spacing)
    if spacing is not None:
        raise UsageError("Spacing is for numpy arrays; this image carries its own, leave it out.")
    from pleura.read.files import from_nibabel, from_sitk

    if hasattr(image, "GetSpacing"):
        array, geometry = from_sitk(image, _WHERE)
        hu, findings = to_hu(array, _WHERE)
        return checked(Volume(hu, geometry, None, "simpleitk", findings))
    if hasattr(image, "dataobj"):
        array, geometry, header, findings = from_nibabel(image, _WHERE)
        hu, more = to_hu(array, _WHERE)
        return checked(Volume(hu, geometry, None, "nibabel", findings + more, header))
    raise UsageError(
        f"pleura can't read a {type(image).__name__}; give a path, a numpy array with spacing, "
        "or a SimpleITK or nibabel image."
    )


def _from_array(array: Any, spacing: Sequence[float] | None) -> Volume:
    if spacing is None:
        raise UsageError("A numpy array needs spacing=(z, y, x) in mm.")
    try:
        spacing = tuple(float(s) for s in spacing)
    except (TypeError, ValueError) as error:
        raise UsageError(f"Spacing {spacing!r} must be three numbers (z, y, x) in mm.") from error
    if array.ndim == 2:
        array = array[None]
        spacing = (1.0, *spacing) if len(spacing) == 2 else spacing
    if array.ndim != 3 or array.size == 0:
        raise GeometryError(f"{_WHERE} has shape {array.shape}; it must be (z, y, x) or (y, x).")
    if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise UsageError(f"Spacing {spacing} must be three positive numbers (z, y, x) in mm.")
    hu, findings = to_hu(array, _WHERE)
    geometry = Geometry.from_parts(hu.shape, spacing)
    return checked(Volume(hu, geometry, None, "array", findings))
