"""Perturbations of a scan, to see how far the mask can be trusted: numpy and scipy, no torch.

base.py         what a perturbation is
noise.py        white noise, low dose; projection.py is their and the metal's geometry
kernel.py       smooth and sharp kernels
sampling.py     slice thickness, gaps, pixels, missing slices
field.py        cropped fields of view
placement.py    shift, rotation, tilt, flips, all with a header that doesn't know
intensity.py    offset and scale
metal.py        implants with streaks
"""

from __future__ import annotations

from pleura.lab.perturb.base import Carry, Perturbation, Perturbed
from pleura.lab.perturb.field import crop_bottom, crop_side, crop_top, round_field
from pleura.lab.perturb.intensity import offset, scale
from pleura.lab.perturb.kernel import sharp_kernel, smooth_kernel
from pleura.lab.perturb.metal import metal
from pleura.lab.perturb.noise import low_dose, white_noise
from pleura.lab.perturb.placement import (
    FLIPS,
    flip,
    rotation,
    shift,
    tilt_forwards,
    tilt_sideways,
)
from pleura.lab.perturb.sampling import (
    gap,
    matrix,
    missing_block,
    missing_scattered,
    slice_thickness,
)

__all__ = ["PERTURBATIONS", "VERSION", "Carry", "Perturbation", "Perturbed"]

VERSION = 1  # raised when a perturbation gives another scan than before

_CUTS = (10.0, 20.0, 30.0, 40.0, 50.0)
_TILTS = (5.0, 10.0, 15.0)

PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("noise", "HU SD", (10, 20, 40, 70, 100), white_noise),
    Perturbation("low_dose", "% of the dose", (50, 25, 10, 5, 2), low_dose, none=100),
    Perturbation("smooth_kernel", "mm FWHM", (1, 2, 3, 4), smooth_kernel),
    Perturbation("sharp_kernel", "gain", (1, 2, 4), sharp_kernel),
    Perturbation("slice_thickness", "mm", (2.5, 5, 8, 10), slice_thickness),
    Perturbation("gap", "every n-th slice", (2, 3, 4, 6), gap, none=1),
    Perturbation("missing_block", "adjacent slices", (1, 3, 10, 20), missing_block),
    Perturbation("missing_scattered", "% of the slices", (10, 20, 30), missing_scattered),
    Perturbation("matrix", "pixels", (256, 192, 128, 96), matrix),
    Perturbation("crop_top", "% of the slices", _CUTS, crop_top),
    Perturbation("crop_bottom", "% of the slices", _CUTS, crop_bottom),
    Perturbation("crop_side", "% of the width", _CUTS, crop_side),
    Perturbation("round_field", "% of the diameter", _CUTS, round_field),
    Perturbation("shift", "mm", (20, 40, 80, 120), shift),
    Perturbation("rotation", "degrees", (5, 10, 20, 45, 90), rotation),
    Perturbation("tilt_forwards", "degrees", _TILTS, tilt_forwards),
    Perturbation("tilt_sideways", "degrees", _TILTS, tilt_sideways),
    Perturbation("flip", "", (1, 2, 3), flip, words=FLIPS),
    Perturbation("offset", "HU", (-200, -100, -50, -20, 20, 50, 100, 200), offset),
    Perturbation("scale", "times", (0.8, 0.9, 0.95, 1.05, 1.1, 1.2), scale, none=1),
    Perturbation("metal", "implants", (1, 2, 4, 8), metal),
)
