"""Noise: white, and that of a low dose."""

from __future__ import annotations

import numpy as np

from pleura.lab.perturb.base import FloatArray, Perturbed, as_scanned, same_grid
from pleura.lab.perturb.projection import Projector, coarse_attenuation
from pleura.resample import apply as resampled
from pleura.resample import axis_weights
from pleura.volume import Volume

# Soft tissue's noise at the full dose, in HU: an ordinary chest at 5 mm and a soft kernel.
_FULL_DOSE_HU = 12.0
_ANGLES = 96
_MOST_PIXELS = 256  # along a side; finer images get this noise interpolated, as by a soft kernel


def white_noise(volume: Volume, sd_hu: float, rng: np.random.Generator) -> Perturbed:
    """Independent Gaussian noise of this standard deviation in every voxel."""
    hu = np.empty_like(volume.array)
    for z, plane in enumerate(volume.array):
        noise = rng.standard_normal(plane.shape, dtype=np.float32)
        hu[z] = as_scanned(plane + np.float32(sd_hu) * noise, plane)
    return same_grid(volume, hu)


def low_dose(volume: Volume, dose_percent: float, rng: np.random.Generator) -> Perturbed:
    """The noise that a lower dose adds: white in the projections, ramp-filtered back.

    A ray's variance is that of the logarithm of its photons, exp(attenuation) over the tube
    current, which follows the square root of the thickest ray's attenuation for each angle and
    slice (Gies et al., Medical Physics 26: 2235-2247, 1999). So thick slices and shoulders get
    more, in streaks along the thick direction. A dose of p % adds (100 / p - 1) times the variance
    of the full dose, taken as 12 HU in the middle of the median slice.
    """
    sd_hu = _FULL_DOSE_HU * float(np.sqrt(100.0 / dose_percent - 1.0))
    _, height, width = volume.array.shape
    rows, columns = (axis_weights(m, 0, m / n, n) for m, n in _frames(height, width))
    noise = dose_noise(volume, rng)
    hu = np.empty_like(volume.array)
    for z, plane in enumerate(volume.array):
        fine = resampled(noise[z], rows, columns)
        hu[z] = as_scanned(plane + np.float32(sd_hu) * fine, plane)
    return same_grid(volume, hu)


def dose_noise(volume: Volume, rng: np.random.Generator) -> FloatArray:
    """Noise (z, rows, columns), 1 in the middle of the median slice, at most 256 pixels a side."""
    (rows, _), (columns, _) = _frames(*volume.array.shape[1:])
    pixel_mm = max(volume.geometry.spacing_zyx_mm[1:]) * volume.array.shape[2] / columns
    coarse = coarse_attenuation(volume)
    fine = Projector.of((rows, columns), (pixel_mm, pixel_mm))
    noise = np.zeros((rows, columns, len(volume.array)), dtype=np.float32)
    for angle in np.arange(_ANGLES) * (np.pi / _ANGLES):
        rays = coarse.forward(angle)  # (rays, z), coarse in the same frame
        at = np.linspace(0, len(rays) - 1, fine.rays)
        spread = np.stack([np.interp(at, np.arange(len(rays)), one) for one in rays.T], axis=1)
        variance = np.exp(spread - spread.max(axis=0) / 2)
        white = rng.standard_normal(variance.shape, dtype=np.float32)
        fine.add_back(noise, fine.filtered(white * np.sqrt(variance).astype(np.float32)), angle)
    planes = np.ascontiguousarray(noise.transpose(2, 0, 1))
    middle = planes[:, rows // 3 : -(rows // 3), columns // 3 : -(columns // 3)]
    return planes / np.float32(np.median(middle.std(axis=(1, 2))))


def _frames(height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(pixels of the noise, pixels of the scan) along y and x."""
    share = min(1.0, _MOST_PIXELS / max(height, width))
    return (max(3, round(height * share)), height), (max(3, round(width * share)), width)
