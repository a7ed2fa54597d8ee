"""Augmentation of a whole batch: geometry of image and targets together, then intensities.

Everything is drawn from one generator, so that a step's batch depends on seed and step alone.
Images are HU until the very end. Probabilities and ranges are in `AugmentOptions`, all on/off in
the config.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.volume import AIR_HU


@dataclass(frozen=True)
class AugmentOptions:
    """Ranges (+-) and probabilities; 0 switches one off.

    Args:
        enabled: False switches everything off; slices then lie on the very grid of inference.
        zoom: log2 range of the field of view.
        rotation_deg: in-plane rotation.
        shift: of the frame's size.
        mirror: left-right, swaps the side channels (a side is where the header puts it).
        upside_down: front-back, a prone patient filed as supine.
        scale, offset_hu: intensity; the 2-D set at hand is about 0.8 x HU.
        noise_hu: standard deviation at most.
        sharpen: kernel from smooth (negative) to sharp.
        field_cut: a round or square field of view, its outside filled with air, 0 HU or less.
        gas: bowel, stomach and oesophagus gas painted outside the lungs.
        opacity: soft-tissue clouds painted inside the lungs, which stay lung.
    """

    enabled: bool = True
    zoom: float = 0.45
    rotation_deg: float = 12.0
    shift: float = 0.08
    mirror: float = 0.5
    upside_down: float = 0.05
    scale: float = 0.2
    offset_hu: float = 50.0
    noise_hu: float = 70.0
    sharpen: float = 0.8
    field_cut: float = 0.15
    gas: float = 0.2
    opacity: float = 0.2


@dataclass(frozen=True, eq=False)
class Batch:
    """images (n, 1, h, w) HU; targets (n, c, h, w) occupancy 0 to 1; known (n, c) booleans."""

    images: Tensor
    targets: Tensor
    known: Tensor


def uniform(generator: torch.Generator, n: int, low: float, high: float) -> Tensor:
    """(n, 1, 1, 1) numbers in [low, high)."""
    return low + (high - low) * torch.rand((n, 1, 1, 1), generator=generator)


def chance(generator: torch.Generator, n: int, probability: float) -> Tensor:
    """(n, 1, 1, 1) of 0 and 1."""
    return (torch.rand((n, 1, 1, 1), generator=generator) < probability).float()


def affine_matrices(options: AugmentOptions, n: int, generator: torch.Generator) -> Tensor:
    """(n, 2, 3): output (x, y) in half frame widths from the middle -> input, same units.

    A zoom of 2 shows twice the field of view. Mirror and upside-down are signs of x and y.
    """
    zoom = 2 ** uniform(generator, n, -options.zoom, options.zoom).flatten()
    angle = torch.deg2rad(
        uniform(generator, n, -options.rotation_deg, options.rotation_deg).flatten()
    )
    shift = uniform(generator, 2 * n, -options.shift, options.shift).reshape(n, 2)
    mirror = 1 - 2 * chance(generator, n, options.mirror).flatten()
    upside = 1 - 2 * chance(generator, n, options.upside_down).flatten()
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [
        torch.stack([cos * mirror, -sin * mirror, 2 * shift[:, 0]], dim=1),
        torch.stack([sin * upside, cos * upside, 2 * shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def swap_sides(targets: Tensor, mirrored: Tensor) -> Tensor:
    """Exchange right and left (channels 0, 1) of mirrored items whose targets have sides."""
    swapped = targets.clone()
    swapped[mirrored, 0], swapped[mirrored, 1] = targets[mirrored, 1], targets[mirrored, 0]
    return swapped


def smooth_field(shape: tuple[int, int, int], cells: int, generator: torch.Generator) -> Tensor:
    """(n, 1, h, w) smooth random numbers of about unit variance."""
    n, h, w = shape
    noise = torch.randn((n, 1, cells, cells), generator=generator)
    return F.interpolate(noise, size=(h, w), mode="bicubic", align_corners=False)


def _blur(images: Tensor) -> Tensor:
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(padded, 3, stride=1)


def paint(images: Tensor, lungs: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """Opacities inside the lungs and gas outside them; targets don't change."""
    n, _, h, w = images.shape
    clouds = smooth_field((n, h, w), 7, g) - uniform(g, n, 0.6, 1.4)
    strength = uniform(g, n, 0.4, 1.0) * chance(g, n, options.opacity)
    cover = torch.sigmoid(clouds * 8) * lungs * strength
    texture = uniform(g, n, -80, 60) + 25 * torch.randn(images.shape, generator=g)
    images = images + cover * (texture - images)
    soft = torch.sigmoid((_blur(images) + 200) / 30) * torch.sigmoid((250 - _blur(images)) / 30)
    bubbles = torch.sigmoid((smooth_field((n, h, w), 14, g) - uniform(g, n, 0.9, 1.5)) * 12)
    bubbles = bubbles * (1 - lungs) * soft * chance(g, n, options.gas)
    return images + bubbles * (uniform(g, n, -1020, -900) - images)


def cut_field(
    images: Tensor, targets: Tensor, probability: float, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Hide what lies outside a round or square field of view, as scanners and croppers do."""
    n, _, h, w = images.shape
    y = torch.linspace(-1, 1, h).reshape(1, 1, h, 1) - uniform(g, n, -0.15, 0.15)
    x = torch.linspace(-1, 1, w).reshape(1, 1, 1, w) - uniform(g, n, -0.15, 0.15)
    distance = torch.where(
        chance(g, n, 0.5).bool(), torch.hypot(y, x), torch.maximum(y.abs(), x.abs())
    )
    outside = (distance > uniform(g, n, 0.65, 1.1)).float() * chance(g, n, probability)
    filling = AIR_HU * (1 - chance(g, n, 0.2))
    return images + outside * (filling - images), targets * (1 - outside)


def change_intensity(images: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """Kernel sharpness, noise of a random grain, scale and offset."""
    n = images.shape[0]
    images = images + uniform(g, n, -options.sharpen, options.sharpen) * (images - _blur(images))
    noise = torch.randn(images.shape, generator=g)
    grain = chance(g, n, 0.5)
    noise = noise * grain + 2 * _blur(noise) * (1 - grain)
    images = images + noise * uniform(g, n, 0, options.noise_hu) * chance(g, n, 0.6)
    scale = 1 + uniform(g, n, -options.scale, options.scale)
    # Scale about air, so that air stays the darkest.
    images = AIR_HU + (images - AIR_HU) * scale
    return images + uniform(g, n, -options.offset_hu, options.offset_hu)


def augment_intensity(batch: Batch, options: AugmentOptions, g: torch.Generator) -> Batch:
    """All changes that don't move pixels."""
    lungs = batch.targets[:, :2].sum(dim=1, keepdim=True).clamp(max=1)
    images = paint(batch.images, lungs, options, g)
    images = change_intensity(images, options, g)
    images, targets = cut_field(images, batch.targets, options.field_cut, g)
    return Batch(images, targets, batch.known)
