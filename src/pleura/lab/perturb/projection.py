"""Parallel projections of slices and filtered backprojection, plain, for noise and metal.

After Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, chapter 3; a pixel
belongs to the nearest ray. Slices are the last axis, so that one index serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pleura.lab.perturb.base import AnyArray, FloatArray
from pleura.resample import apply as resampled
from pleura.resample import axis_weights
from pleura.volume import Volume

_WATER_PER_MM = 0.019  # attenuation at about 70 keV
_COARSE = 64  # pixels along a side of what is projected to weigh rays


@dataclass(frozen=True, eq=False)
class Projector:
    """Rays through a frame of pixels.

    Args:
        y_mm, x_mm: (height, 1) and (1, width), pixel centres from the middle of the frame.
        ray_mm: between rays.
        rays: of each angle, odd; they cover the diagonal.
        pixel_mm2: area of a pixel.
    """

    y_mm: FloatArray
    x_mm: FloatArray
    ray_mm: float
    rays: int
    pixel_mm2: float

    @classmethod
    def of(cls, shape_yx: tuple[int, int], spacing_yx_mm: tuple[float, float]) -> Projector:
        """Rays as far apart as pixels."""
        y, x = (
            ((np.arange(n) - (n - 1) / 2) * mm).astype(np.float32)
            for n, mm in zip(shape_yx, spacing_yx_mm, strict=True)
        )
        ray_mm = min(spacing_yx_mm)
        rays = 2 * int(np.ceil(np.hypot(y[-1], x[-1]) / ray_mm)) + 3
        area = spacing_yx_mm[0] * spacing_yx_mm[1]
        return cls(y[:, None], x[None, :], ray_mm, rays, area)

    def nearest_ray(self, angle: float) -> npt.NDArray[np.intp]:
        """The ray (height, width) of each pixel at an angle in radians; 0: rays along y."""
        place = (self.x_mm * np.cos(angle) + self.y_mm * np.sin(angle)) / self.ray_mm
        return np.asarray(np.rint(place + (self.rays - 1) / 2), dtype=np.intp)

    def projected(self, values: AnyArray, angle: float) -> FloatArray:
        """Integrals (rays, slices) in value x mm of pixels (height, width, slices)."""
        from scipy.sparse import csr_array  # type: ignore[import-untyped,unused-ignore]

        ray = self.nearest_ray(angle).ravel()
        weights = np.full(ray.size, self.pixel_mm2 / self.ray_mm, dtype=np.float32)
        matrix = csr_array((weights, (ray, np.arange(ray.size))), shape=(self.rays, ray.size))
        flat = values.reshape(ray.size, -1)
        return np.asarray(matrix @ flat, dtype=np.float32)

    def filtered(self, rays: FloatArray) -> FloatArray:
        """Projections (rays, slices) after the ramp filter with a Hann window."""
        n = 2 * len(rays)
        frequency = np.fft.rfftfreq(n, self.ray_mm)
        ramp = frequency * (0.5 + 0.5 * np.cos(np.pi * frequency / frequency[-1]))
        spectrum = np.fft.rfft(rays, n, axis=0) * ramp[:, None]
        return np.fft.irfft(spectrum, n, axis=0)[: len(rays)].astype(np.float32)

    def add_back(self, image: FloatArray, rays: FloatArray, angle: float) -> None:
        """Smear projections (rays, slices) over an image (height, width, slices), in place."""
        index = self.nearest_ray(angle)
        for row, line in zip(index, image, strict=True):  # row by row: a copy of all is large
            line += rays[row]


@dataclass(frozen=True, eq=False)
class CoarseAttenuation:
    """A scan's attenuation per mm on a coarse frame, (height, width, slices), and its rays."""

    projector: Projector
    per_mm: FloatArray

    def forward(self, angle: float) -> FloatArray:
        """Line integrals (rays, slices), without unit."""
        return self.projector.projected(self.per_mm, angle)


def coarse_attenuation(volume: Volume) -> CoarseAttenuation:
    """Attenuation of a canonical scan from its HU, on at most 64 pixels a side."""
    _, height, width = volume.array.shape
    _, y_mm, x_mm = volume.geometry.spacing_zyx_mm
    step = max(1.0, max(height, width) / _COARSE)
    shape = max(1, round(height / step)), max(1, round(width / step))
    rows = axis_weights(height, 0, height / shape[0], shape[0])
    columns = axis_weights(width, 0, width / shape[1], shape[1])
    coarse = resampled(volume.array, rows, columns)
    per_mm = np.clip(coarse / 1000 + 1, 0, None) * np.float32(_WATER_PER_MM)
    projector = Projector.of(shape, (y_mm * height / shape[0], x_mm * width / shape[1]))
    return CoarseAttenuation(projector, np.ascontiguousarray(per_mm.transpose(1, 2, 0)))
