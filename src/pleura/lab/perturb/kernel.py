"""Reconstruction kernels: smoother and sharper than the scan's own, in plane."""

from __future__ import annotations

import numpy as np

from pleura.lab.perturb.base import FloatArray, Perturbed, as_scanned, same_grid
from pleura.volume import Volume

_FWHM_PER_SIGMA = 2.3548
_EDGE_MM = 3.0  # what a sharp kernel lifts is finer than this
_HIDDEN_NOISE_HU = 10.0  # of fine noise that a soft kernel has removed


def smooth_kernel(volume: Volume, fwhm_mm: float, _: np.random.Generator) -> Perturbed:
    """A Gaussian of this full width at half maximum over every slice."""
    hu = np.empty_like(volume.array)
    for z, plane in enumerate(volume.array):
        hu[z] = as_scanned(_blurred(plane.astype(np.float32), volume, fwhm_mm), plane)
    return same_grid(volume, hu)


def sharp_kernel(volume: Volume, gain: float, rng: np.random.Generator) -> Perturbed:
    """Detail finer than 3 mm lifted by 1 + gain, with white noise of 10 HU lifted likewise.

    Edges overshoot and noise grows, as from soft tissue to lung and bone kernels.
    """
    hu = np.empty_like(volume.array)
    for z, plane in enumerate(volume.array):
        noisy = plane + np.float32(_HIDDEN_NOISE_HU) * rng.standard_normal(
            plane.shape, dtype=np.float32
        )
        detail = noisy - _blurred(noisy, volume, _EDGE_MM)
        hu[z] = as_scanned(plane + np.float32(gain) * detail, plane)
    return same_grid(volume, hu)


def _blurred(plane: FloatArray, volume: Volume, fwhm_mm: float) -> FloatArray:
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped,unused-ignore]

    sigma = [fwhm_mm / _FWHM_PER_SIGMA / mm for mm in volume.geometry.spacing_zyx_mm[1:]]
    return np.asarray(gaussian_filter(plane, sigma, mode="nearest"), dtype=np.float32)
