"""What a scan shows of the patient: round, square and lopsided fields of view."""

from __future__ import annotations

import torch
from torch import Tensor

from pleura.lab.augment.draws import chance, picked, uniform
from pleura.lab.augment.options import AugmentOptions
from pleura.volume import AIR_HU

_LOWEST_HU = -3024.0  # what scanners write outside of the field; the window ends at air
_DEEPEST = 0.4  # of the frame, cut off at a side


def cut(
    images: Tensor, targets: Tensor, options: AugmentOptions, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images and targets with some fields of view cut."""
    images, targets = cut_field(images, targets, options.field_cut, g, options.padding)
    n, _, h, w = images.shape
    which = picked(g, n, options.side_cut) if options.side_cut else torch.empty(0).long()
    outside = _sides((len(which), h, w), g)
    return _hidden(images, targets, which, outside, g, options.padding)


def cut_field(
    images: Tensor, targets: Tensor, probability: float, g: torch.Generator, padding: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Hide what lies outside a round or square field of view, as scanners and croppers do."""
    _, _, h, w = images.shape
    which = picked(g, len(images), probability)
    n = len(which)
    y = torch.linspace(-1, 1, h).reshape(1, 1, h, 1) - uniform(g, n, -0.15, 0.15)
    x = torch.linspace(-1, 1, w).reshape(1, 1, 1, w) - uniform(g, n, -0.15, 0.15)
    distance = torch.where(
        chance(g, n, 0.5).bool(), torch.hypot(y, x), torch.maximum(y.abs(), x.abs())
    )
    outside = distance > uniform(g, n, 0.65, 1.1)
    return _hidden(images, targets, which, outside, g, padding)


def _sides(shape: tuple[int, int, int], g: torch.Generator) -> Tensor:
    """(n, 1, h, w), True beyond a straight cut at one side, for a quarter of them at two."""
    n, h, w = shape
    down, across = ((torch.arange(m) + 0.5) / m for m in (h, w))
    ends = [
        torch.where(chance(g, n, 0.5).bool(), line, 1 - line)
        for line in (down.reshape(1, 1, h, 1), across.reshape(1, 1, 1, w))
    ]
    of_y, of_x = (end < uniform(g, n, 0.02, _DEEPEST) for end in ends)
    kind = uniform(g, n, 0, 1)
    # The sides of a wide body are cut more often than front and back.
    return (of_y & (kind < 0.5)) | (of_x & (kind >= 0.25))


def _hidden(
    images: Tensor, targets: Tensor, which: Tensor, outside: Tensor, g: torch.Generator,
    padding: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Images filled where an item of `which` is outside, targets 0 there."""
    n = len(which)
    if n == 0:
        return images, targets
    filling = AIR_HU * (1 - chance(g, n, 0.2))
    padded = chance(g, n, padding).bool()
    filling = torch.where(padded, uniform(g, n, _LOWEST_HU, 0), filling)
    images, targets = images.clone(), targets.clone()
    images[which] = torch.where(outside, filling, images[which])
    targets[which] = targets[which] * ~outside
    return images, targets
