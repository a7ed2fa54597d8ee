"""Random fields and level sets from which the shapes of disease grow. Arrays are (z, y, x)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Field = npt.NDArray[np.float32]
Region = npt.NDArray[np.bool_]


def smooth_noise(
    shape: tuple[int, int, int], spacing_mm: Sequence[float], grain_mm: float,
    rng: np.random.Generator,
) -> Field:  # fmt: skip
    """Noise of mean 0 and about unit variance whose bumps are `grain_mm` wide."""
    counts = [max(1, round(n * s / grain_mm)) for n, s in zip(shape, spacing_mm, strict=True)]
    coarse = rng.standard_normal([count + 3 for count in counts]).astype(np.float32)
    axes = [
        (np.arange(n, dtype=np.float32) + 0.5) / n * count + 1
        for n, count in zip(shape, counts, strict=True)
    ]
    field = coarse
    for axis, places in enumerate(axes):  # linear along one axis after the other
        low = places.astype(int)
        part = (places - low).astype(np.float32)
        part = part * part * (3 - 2 * part)  # without kinks at the coarse points
        part = part.reshape([-1 if a == axis else 1 for a in range(3)])
        field = field.take(low, axis) * (1 - part) + field.take(low + 1, axis) * part
    deviation = float(field.std()) if field.size > 1 else 0.0
    return field / deviation if deviation > 0.1 else field


def share_of(score: Field, inside: Region, share: float, softness: float = 0.0) -> Field:
    """0 to 1: the highest `share` of the scores inside; `softness`, in scores, blurs its border."""
    if not inside.any():
        return np.zeros(score.shape, np.float32)
    limit = np.quantile(score[inside], 1 - share)
    if softness <= 0:
        return (score >= limit).astype(np.float32)
    soft = 1 / (1 + np.exp(-np.clip((score - limit) / softness, -30, 30)))
    return np.asarray(soft, np.float32)


def unit_ramp(values: Field, inside: Region) -> Field:
    """Values moved to 0 to 1 over the place where they are wanted."""
    low, high = float(values[inside].min()), float(values[inside].max())
    return (values - low) / max(high - low, 1e-6)


def blurred(field: Field, sigma_mm: float, spacing_mm: Sequence[float]) -> Field:
    """Gaussian blur in plane; a slice knows nothing of its neighbours."""
    sigmas = (0, sigma_mm / spacing_mm[1], sigma_mm / spacing_mm[2])
    out: Field = ndimage.gaussian_filter(field, sigmas, mode="nearest", truncate=3)
    return out
