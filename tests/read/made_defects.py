"""Scans whose units were spoilt on purpose, and what pleura says about them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

import pleura
from pleura.volume import Volume
from tests.phantom import Phantom, chest

SPACING = (10.0, 3.0, 3.0)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "chest.nii.gz"
GRID_CODES = {"thick_slices", "implausible_spacing", "not_axial", "swapped_axes", "oblique_grid"}


@cache
def phantom() -> Phantom:
    return chest((24, 128, 128), SPACING)


@cache
def example() -> Volume:
    """The real scan of the repository; rounded to 16 HU, with contrast that reaches 3072."""
    return pleura.read(EXAMPLE)


def read(array: npt.NDArray[np.generic], spacing: tuple[float, float, float] = SPACING) -> Volume:
    return pleura.read(array, spacing=spacing)


def codes(volume: Volume) -> list[str]:
    """Findings but for those about the grid."""
    return [finding.code for finding in volume.findings if finding.code not in GRID_CODES]


def outside(shape: tuple[int, ...], radius: float = 0.5, off: tuple[float, float] = (0, 0)):
    """(z, y, x) booleans outside a circle; `radius` over the frame's side, `off` in pixels."""
    _, height, width = shape
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(y - (height - 1) / 2 - off[0], x - (width - 1) / 2 - off[1])
    return np.broadcast_to(distance > radius * height, shape)
