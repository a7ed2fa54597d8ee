"""Numbers that aren't quite HU: a wrong rescale."""

from __future__ import annotations

import numpy as np

from pleura.lab.perturb.base import Perturbed, same_grid, to_int16
from pleura.volume import Volume


def offset(volume: Volume, hu: float, _: np.random.Generator) -> Perturbed:
    """Every number larger by this, as by a wrong intercept; nothing is cut but by int16."""
    return same_grid(volume, to_int16(volume.array + np.float32(hu)))


def scale(volume: Volume, factor: float, _: np.random.Generator) -> Perturbed:
    """Every number times this, as by a wrong slope; nothing is cut but by int16."""
    return same_grid(volume, to_int16(volume.array * np.float32(factor)))
