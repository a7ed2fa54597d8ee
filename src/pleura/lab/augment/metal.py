"""Metal: bright spots with bright and dark streaks all around, and a dark band between two."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.lab.augment.draws import picked, uniform
from pleura.lab.augment.options import AugmentOptions

_METAL_HU = 3071.0  # the most that 12 bits hold
_TISSUE_HU = -150.0  # implants lie in fat, muscle or bone, not in lung
_RADIUS = (0.006, 0.018)  # of the frame's width: 2.5 to 7 mm
_STREAK_HU = (100.0, 600.0)  # at the implant; less with distance
_RAYS = 90  # streaks in half a turn


def implanted(images: Tensor, options: AugmentOptions, g: torch.Generator) -> Tensor:
    """HU (n, 1, h, w); some with one or two implants in soft tissue, where there is any."""
    which = picked(g, len(images), options.metal) if options.metal else ()
    if not len(which):
        return images
    images = images.clone()
    images[which] = with_metal(images[which], g)
    return images


def with_metal(images: Tensor, g: torch.Generator) -> Tensor:
    """One or two implants in each."""
    n, _, h, w = images.shape
    places = _places(images, g)
    second = torch.rand(n, generator=g) < 0.5
    places[:, 1] = torch.where(second[:, None], places[:, 1], places[:, 0])
    radius = uniform(g, n, *_RADIUS) * w
    strength = uniform(g, n, *_STREAK_HU)
    # The same rays from each implant; half a turn, since a ray goes on to the other side.
    rays = torch.randn((n, _RAYS), generator=g)
    y, x = torch.arange(h).reshape(1, 1, h, 1), torch.arange(w).reshape(1, 1, 1, w)
    error, metal = torch.zeros_like(images), torch.zeros_like(images, dtype=torch.bool)
    for place in places.unbind(dim=1):
        dy, dx = y - place[:, 0].reshape(n, 1, 1, 1), x - place[:, 1].reshape(n, 1, 1, 1)
        away = torch.hypot(dy, dx)
        at = (torch.atan2(dy, dx) / torch.pi % 1) * _RAYS
        low = at.long() % _RAYS
        ends = [rays.gather(1, i.flatten(1)).reshape(low.shape) for i in (low, (low + 1) % _RAYS)]
        error += torch.lerp(ends[0], ends[1], at - at.floor()) * radius / (away + radius)
        metal |= away <= radius
    error -= 2 * _between(places, radius, (y, x))
    return torch.where(metal, _METAL_HU, images + error * strength)


def _places(images: Tensor, g: torch.Generator) -> Tensor:
    """(n, 2, 2): two (y, x) in soft tissue; anywhere if there is none."""
    step = 8
    tissue = (F.avg_pool2d(images, step) > _TISSUE_HU).float().flatten(1) + 1e-6
    drawn = torch.multinomial(tissue, 2, generator=g)
    columns = images.shape[3] // step
    return torch.stack([drawn // columns, drawn % columns], dim=2).float() * step + step / 2


def _between(places: Tensor, radius: Tensor, axes: tuple[Tensor, Tensor]) -> Tensor:
    """1 on the line from one implant to the other, 0 away from it; 0 for a single one."""
    n = len(places)
    start, end = places[:, 0], places[:, 1]
    along = end - start
    length = along.norm(dim=1).clamp(min=1e-3)
    unit = (along / length[:, None]).T.reshape(2, n, 1, 1, 1)
    dy, dx = (axis - at.reshape(n, 1, 1, 1) for axis, at in zip(axes, start.T, strict=True))
    forwards, aside = dy * unit[0] + dx * unit[1], dx * unit[0] - dy * unit[1]
    inside = (forwards > 0) & (forwards < length.reshape(n, 1, 1, 1))
    band: Tensor = torch.exp(-0.5 * (aside / radius) ** 2) * inside
    return band
