"""What HU become: everything that changes numbers and moves no pixel, in a scanner's order."""

from __future__ import annotations

import torch
from torch import Tensor

from pleura.lab.augment.draws import chance, uniform
from pleura.lab.augment.metal import implanted
from pleura.lab.augment.noise import noisy
from pleura.lab.augment.options import AugmentOptions
from pleura.lab.augment.sharpness import moved_edges, reconstructed
from pleura.volume import AIR_HU

_RARE = 0.1  # share of items whose scale or offset comes from the wider range


def change_intensity(images: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """Breathing, slice thickness, kernel, metal, noise, scale and offset of HU (n, 1, h, w)."""
    n = len(images)
    images = moved_edges(images, options, g)
    images = reconstructed(images, options, g)
    images = implanted(images, options, g)
    images = noisy(images, options, g)
    scale = 1 + _either(options.scale, options.rare_scale, n, g)
    offset = _either(options.offset_hu, options.rare_offset_hu, n, g)
    # Scale about air, so that air stays the darkest.
    return torch.addcmul((1 - scale) * AIR_HU + offset, images, scale)


def _either(usual: float, rare: float, n: int, g: torch.Generator) -> Tensor:
    """(n, 1, 1, 1) within +-usual, for a few items within +-rare."""
    changes = uniform(g, n, -usual, usual)
    if not rare:
        return changes
    return torch.where(chance(g, n, _RARE).bool(), uniform(g, n, -rare, rare), changes)
