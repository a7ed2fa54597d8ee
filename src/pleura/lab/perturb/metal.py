"""Metal: bright implants and their streaks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pleura.body import coarse_body, strides
from pleura.lab.perturb.base import MOST_HU, FloatArray, Perturbed, as_scanned, same_grid
from pleura.lab.perturb.projection import Projector
from pleura.volume import HUArray, Volume

_RADIUS_MM = 7.0
_LENGTH_MM = 100.0
_TISSUE_HU = -150  # rods lie in fat, muscle or bone, not in lung
# Error of a ray in HU mm for each mm2 of its squared path through metal: a tenth of a rod's own
# attenuation, -300 HU midway between two rods 130 mm apart.
_HARDENING = 80.0
_ANGLES = 120

BoolArray = npt.NDArray[np.bool_]


def metal(volume: Volume, implants: float, rng: np.random.Generator) -> Perturbed:
    """Upright rods of 14 x 100 mm in the tissue, 3071 HU, with the streaks of beam hardening.

    The rods alone are projected; a ray's error grows with the square of its path through metal, as
    beam hardening does (De Man et al., IEEE Transactions on Nuclear Science 46: 691-696, 1999), and
    is ramp-filtered back: dark bands between two rods, bright ones beside them. More implants are
    the fewer ones and others.
    """
    rods = rods_of(volume, int(implants), rng)
    hu = volume.array.copy()
    slices = np.flatnonzero(rods.any(axis=(1, 2)))
    _, y_mm, x_mm = volume.geometry.spacing_zyx_mm
    errors = streaks(rods[slices], (y_mm, x_mm))
    for z, error in zip(slices, errors, strict=True):
        plane = volume.array[z] + error
        plane[rods[z]] = MOST_HU
        hu[z] = as_scanned(plane, volume.array[z])
    return same_grid(volume, hu)


def rods_of(volume: Volume, number: int, rng: np.random.Generator) -> BoolArray:
    """Where the rods are (z, y, x), in the middle half of the scan's length or near it."""
    z_mm, y_mm, x_mm = volume.geometry.spacing_zyx_mm
    slices, height, width = volume.array.shape
    half = max(1, round(_LENGTH_MM / 2 / z_mm))
    y, x = np.arange(height)[:, None] * y_mm, np.arange(width)[None, :] * x_mm
    rods = np.zeros(volume.array.shape, dtype=bool)
    for _ in range(number):
        middle = round((0.25 + 0.5 * rng.random()) * (slices - 1))
        part = slice(max(0, middle - half), middle + half + 1)
        rows, columns = _places(volume, part)
        chosen = int(rng.random() * len(rows))
        distance = np.hypot(y - rows[chosen] * y_mm, x - columns[chosen] * x_mm)
        rods[part] |= distance <= _RADIUS_MM
    return rods


def streaks(rods: BoolArray, spacing_yx_mm: tuple[float, float]) -> FloatArray:
    """The error of each pixel in HU, (slices, height, width), for metal of that shape."""
    slices, height, width = rods.shape
    projector = Projector.of((height, width), spacing_yx_mm)
    shadow = np.ascontiguousarray(rods.transpose(1, 2, 0)).astype(np.float32)
    image = np.zeros((height, width, slices), dtype=np.float32)
    for angle in np.arange(_ANGLES) * (np.pi / _ANGLES):
        path_mm = projector.projected(shadow, angle)
        projector.add_back(image, projector.filtered(-_HARDENING * path_mm**2), angle)
    return image.transpose(2, 0, 1) * np.float32(np.pi / _ANGLES)


def _places(volume: Volume, part: slice) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns around which a rod lies in tissue; the middle where there is no such."""
    from scipy.ndimage import uniform_filter  # type: ignore[import-untyped,unused-ignore]

    hu = volume.array[part]
    tissue = (hu > _TISSUE_HU).mean(axis=0, dtype=np.float32) * _in_body(hu)
    _, y_mm, x_mm = volume.geometry.spacing_zyx_mm
    size = [2 * round(_RADIUS_MM / mm) + 1 for mm in (y_mm, x_mm)]
    share = uniform_filter(tissue, size, mode="constant")
    rows, columns = np.nonzero(share > 0.9)
    if rows.size:
        return rows, columns
    return np.array([share.shape[0] // 2]), np.array([share.shape[1] // 2])


def _in_body(hu: HUArray) -> BoolArray:
    """(height, width), True where the body is in more than half of the slices; not the table."""
    _, step_y, step_x = strides(hu.shape)
    coarse = coarse_body(np.ascontiguousarray(hu)).mean(axis=0) > 0.5
    rows, columns = (
        np.minimum(np.arange(n) // step, m - 1)
        for n, step, m in zip(hu.shape[1:], (step_y, step_x), coarse.shape, strict=True)
    )
    return np.asarray(coarse[np.ix_(rows, columns)])
