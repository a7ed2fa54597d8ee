"""A batch of slices, and all its changes that don't move pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pleura.lab.augment.field import cut
from pleura.lab.augment.intensity import change_intensity
from pleura.lab.augment.options import AugmentOptions
from pleura.lab.augment.paint import paint


@dataclass(frozen=True, eq=False)
class Batch:
    """images (n, 1, h, w) HU; targets (n, c, h, w) occupancy 0 to 1; known (n, c) booleans."""

    images: Tensor
    targets: Tensor
    known: Tensor


def augment_intensity(batch: Batch, options: AugmentOptions, g: torch.Generator) -> Batch:
    """All changes that don't move pixels."""
    lungs = batch.targets[:, :2].sum(dim=1, keepdim=True).clamp(max=1)
    images = paint(batch.images, lungs, options, g)
    images = change_intensity(images, options, g)
    images, targets = cut(images, batch.targets, options, g)
    return Batch(images, targets, batch.known)
