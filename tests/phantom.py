"""A synthetic chest: body, two lungs with vessels, heart, spine, trachea, table; known labels.

Arrays are canonical: (z to the head, y to the back, x to the patient's left).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.volume import Geometry

AIR, FAT, MUSCLE, LUNG, BONE, BLOOD = -1000, -90, 40, -830, 500, 45
RIGHT, LEFT, TRACHEA = 1, 2, 3


@dataclass(frozen=True)
class Phantom:
    hu: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]  # pleura's numbers
    geometry: Geometry


def chest(
    shape: tuple[int, int, int] = (40, 128, 128),
    spacing: tuple[float, float, float] = (7.0, 3.0, 3.0),
    noise: float = 15.0,
    seed: int = 0,
) -> Phantom:
    """A chest centred in the grid; 270 mm of lung when the field of view has room for it."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)],
        indexing="ij",
        sparse=True,
    )

    def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]):
        parts = [((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre, radii, strict=True)]
        return parts[0] + parts[1] + parts[2] <= 1

    hu = np.full(shape, AIR, dtype=np.float32)
    body = (y / 110) ** 2 + (x / 165) ** 2 <= 1
    wall = (y / 98) ** 2 + (x / 150) ** 2 <= 1
    hu[np.broadcast_to(body, shape)] = FAT
    hu[np.broadcast_to(wall, shape)] = MUSCLE
    heart = ellipsoid((-30, -25, 30), (65, 50, 55))
    domes = ellipsoid((-150, 0, -70), (75, 95, 85)) | ellipsoid((-155, 0, 70), (70, 95, 85))
    spine = np.broadcast_to((y - 70) ** 2 + x**2 <= 24**2, shape)
    labels = np.zeros(shape, dtype=np.uint8)
    for label, side in ((RIGHT, -72), (LEFT, 75)):
        lung = ellipsoid((0, 0, side), (140, 85, 58)) & ~heart & ~domes & ~spine
        labels[lung] = label
        hu[lung] = LUNG
    vessels = random.normal(size=(shape[0], shape[1] // 4 + 1, shape[2] // 4 + 1))
    fine = np.kron(vessels, np.ones((1, 4, 4)))[:, : shape[1], : shape[2]]
    hu[(labels > 0) & (fine > 2.2)] = BLOOD
    hu[heart & np.broadcast_to(wall, shape) & (labels == 0)] = BLOOD
    hu[spine] = BONE
    trachea = np.broadcast_to(((y + 5) / 9) ** 2 + (x / 9) ** 2 <= 1, shape) & (z > 40)
    trachea = trachea & (labels == 0) & ~heart
    labels[trachea] = TRACHEA
    hu[trachea] = AIR
    table = np.broadcast_to((np.abs(y - 125) < 3) & (np.abs(x) < 180), shape)
    hu[table] = -300
    hu += random.normal(0, noise, shape).astype(np.float32)
    return Phantom(
        np.clip(np.rint(hu), -1024, 3071).astype(np.int16),
        labels,
        Geometry.from_parts(shape, spacing, (-150.0, -120.0, 30.0)),
    )
