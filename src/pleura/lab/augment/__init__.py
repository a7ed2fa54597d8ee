"""Augmentation of a whole batch: geometry of image and targets together, then intensities.

Everything is drawn from one generator, so that a step's batch depends on seed and step alone.
Images are HU until the very end. Probabilities and ranges are in `AugmentOptions`, all on/off in
the config.

options.py      what can be switched on
draws.py        random numbers; blur.py: blurs
geometry.py     zoom, rotation, stretch, turns, elastic displacement, mirrored sides
paint.py        opacities and gas
intensity.py    scale and offset, after sharpness.py, metal.py and noise.py
field.py        fields of view and what lies outside them
batch.py        all that moves no pixel, one after the other
"""

from __future__ import annotations

from pleura.lab.augment.batch import Batch, augment_intensity
from pleura.lab.augment.draws import chance, smooth_field, uniform
from pleura.lab.augment.field import cut_field
from pleura.lab.augment.geometry import affine_matrices, displacement, swap_sides, turned
from pleura.lab.augment.intensity import change_intensity
from pleura.lab.augment.options import AugmentOptions
from pleura.lab.augment.paint import paint

__all__ = [
    "AugmentOptions",
    "Batch",
    "affine_matrices",
    "augment_intensity",
    "chance",
    "change_intensity",
    "cut_field",
    "displacement",
    "paint",
    "smooth_field",
    "swap_sides",
    "turned",
    "uniform",
]
