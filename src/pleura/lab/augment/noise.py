"""Noise of the detector: fine or coarse, and in streaks where few photons come through."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.lab.augment.blur import blur
from pleura.lab.augment.draws import enlargement, picked, uniform
from pleura.lab.augment.options import AugmentOptions
from pleura.volume import AIR_HU

_NOISY = 0.6  # share of items
# Half the exponent of a ray through as much water as the frame is wide (40 cm, 0.2 a cm):
# noise grows with the square root of the photons that are missing.
_ATTENUATION = 4.0
_STREAK_HU = (30.0, 150.0)  # standard deviation where the body is widest
_STREAKS = (10, 40)  # pixels that a short and a long one take


def noisy(images: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """HU (n, 1, h, w) with noise of a random grain in some, and low dose in some."""
    n = len(images)
    which = picked(g, n, _NOISY) if options.noise_hu else ()
    if len(which):
        images = images.clone()
        noise = torch.randn((len(which), *images.shape[1:]), generator=g)
        coarse = picked(g, len(which), 0.5)
        if len(coarse):
            noise[coarse] = 2 * blur(noise[coarse])
        images[which] += noise.mul_(uniform(g, len(which), 0, options.noise_hu))
    which = picked(g, n, options.low_dose) if options.low_dose else ()
    if len(which):
        images = images.clone()
        images[which] += dose_noise(images[which], g)
    return images


def dose_noise(images: Tensor, g: torch.Generator) -> Tensor:
    """Streaks along x, their strength by the water that a ray along the row goes through."""
    n, _, h, w = images.shape
    water = ((images - AIR_HU) / -AIR_HU).clamp(0, 2).mean(dim=3, keepdim=True)
    band = max(1, h // 24)  # rays are not quite parallel: rows take part in their neighbours' noise
    water = F.avg_pool2d(
        water, (2 * band + 1, 1), stride=1, padding=(band, 0), count_include_pad=False
    )
    strength = torch.exp(_ATTENUATION * (water - water.amax(dim=2, keepdim=True)))
    short, long = (_streaks((n, h, w), length, g) for length in _STREAKS)
    streaks = torch.lerp(short, long, uniform(g, n, 0, 1))
    # All other directions together: a fine noise, less than half of it.
    grain = torch.randn(images.shape, generator=g) * uniform(g, n, 0.2, 0.5)
    noise: Tensor = (streaks + grain) * strength * uniform(g, n, *_STREAK_HU)
    return noise


def _streaks(shape: tuple[int, int, int], length: int, g: torch.Generator) -> Tensor:
    n, h, w = shape
    cells = max(2, w // length)
    lines = torch.randn((n, 1, h, cells), generator=g)
    # The ramp filter leaves no mean: next to a bright streak is a dark one.
    lines = (lines - lines.roll(1, dims=2)) / 2**0.5
    return lines @ enlargement(cells, w).T
