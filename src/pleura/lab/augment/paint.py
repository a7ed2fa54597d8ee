"""Opacities inside the lungs and gas outside them; targets don't change."""

from __future__ import annotations

import torch
from torch import Tensor

from pleura.lab.augment.blur import blur
from pleura.lab.augment.draws import picked, smooth_field, uniform
from pleura.lab.augment.options import AugmentOptions


def paint(images: Tensor, lungs: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """HU (n, 1, h, w) with clouds where lungs (n, 1, h, w) are 1, and bubbles where they are 0."""
    images = images.clone()
    for probability, painted in ((options.opacity, _clouded), (options.gas, _gassed)):
        which = picked(g, len(images), probability)
        if len(which):
            images[which] = painted(images[which], lungs[which], g)
    return images


def _clouded(images: Tensor, lungs: Tensor, g: torch.Generator) -> Tensor:
    n, _, h, w = images.shape
    clouds = smooth_field((n, h, w), 7, g) - uniform(g, n, 0.6, 1.4)
    cover = torch.sigmoid(clouds * 8) * lungs * uniform(g, n, 0.4, 1.0)
    texture = uniform(g, n, -80, 60) + 25 * torch.randn(images.shape, generator=g)
    return images + cover * (texture - images)


def _gassed(images: Tensor, lungs: Tensor, g: torch.Generator) -> Tensor:
    n, _, h, w = images.shape
    smooth = blur(images)
    soft = torch.sigmoid((smooth + 200) / 30) * torch.sigmoid((250 - smooth) / 30)
    bubbles = torch.sigmoid((smooth_field((n, h, w), 14, g) - uniform(g, n, 0.9, 1.5)) * 12)
    return images + bubbles * (1 - lungs) * soft * (uniform(g, n, -1020, -900) - images)
