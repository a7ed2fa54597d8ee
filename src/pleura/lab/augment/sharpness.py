"""How sharp edges are: kernels, thick slices, breathing. Images are HU (n, 1, h, w)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.lab.augment.blur import blur, gaussian
from pleura.lab.augment.draws import chance, enlargement, picked, uniform
from pleura.lab.augment.options import AugmentOptions

_SHARPEST = 1.6  # edges then overshoot by about half of their height
_PIXELS = (0.7, 2.0)  # of blurs; 1 to 3 mm in a body that fills 256 pixels
_BREATH = (0.01, 0.04)  # of the frame; 4 to 16 mm


def moved_edges(images: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """Images with what happens before a scan is reconstructed: breathing and thick slices."""
    n = len(images)
    for probability, change in ((options.breathing, _breathed), (options.thick_slice, _thick)):
        which = picked(g, n, probability) if probability else ()
        if len(which):
            images = images.clone()
            images[which] = change(images[which], g)
    return images


def reconstructed(images: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """Images of another kernel: a little for all, a lot for some."""
    n = len(images)
    if options.sharpen:
        gain = uniform(g, n, -options.sharpen, options.sharpen)
        images = torch.lerp(blur(images), images, 1 + gain)
    which = picked(g, n, options.strong_kernel) if options.strong_kernel else ()
    if len(which):
        some = images[which]
        gain = uniform(g, len(which), 0.8, _SHARPEST)
        gain = torch.where(chance(g, len(which), 0.5).bool(), gain, -1.0)
        sigma = uniform(g, len(which), *_PIXELS)
        images = images.clone()
        images[which] = torch.lerp(gaussian(some, sigma, sigma), some, 1 + gain)
    return images


def _thick(images: Tensor, g: torch.Generator) -> Tensor:
    n = len(images)
    return gaussian(images, uniform(g, n, *_PIXELS), uniform(g, n, *_PIXELS))


def _breathed(images: Tensor, g: torch.Generator) -> Tensor:
    """A second phase of breathing shines through: the chest moved, most at its front."""
    n, _, h, w = images.shape
    # Smooth from place to place, since heart, ribs and diaphragm don't move alike.
    part = torch.randn((n, 2, 5, 5), generator=g) * 0.4
    part[:, 1] += 1 - 2 * chance(g, n, 0.5)[:, 0]
    move = enlargement(5, h) @ (part @ enlargement(5, w).T)
    move = move * uniform(g, n, *_BREATH) * 2 * torch.tensor([0.5, w / h]).reshape(1, 2, 1, 1)
    move = move * torch.linspace(1.4, 0.2, h).reshape(1, 1, h, 1)
    y = (torch.arange(h) * 2 + 1) / h - 1
    x = (torch.arange(w) * 2 + 1) / w - 1
    move = move.permute(0, 2, 3, 1) + torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    # The phase that the targets belong to stays the stronger one.
    other = F.grid_sample(images, move, padding_mode="border", align_corners=False)
    return torch.lerp(images, other, uniform(g, n, 0.2, 0.45))
