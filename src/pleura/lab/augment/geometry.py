"""Where an augmented slice looks: affine matrices, turns, elastic displacements, sides."""

from __future__ import annotations

import torch
from torch import Tensor

from pleura.lab.augment.draws import chance, enlargement, uniform
from pleura.lab.augment.options import AugmentOptions

_ELASTIC_CELLS = 7  # bumps of about 6 cm


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
    # Along the patient's own axes, before they are turned; the area stays.
    stretch = 2 ** uniform(generator, n, -options.stretch / 2, options.stretch / 2).flatten()
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    x, y = mirror * stretch, upside / stretch
    rows = [
        torch.stack([cos * x, -sin * x, 2 * shift[:, 0]], dim=1),
        torch.stack([sin * y, cos * y, 2 * shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def turned(matrices: Tensor, options: AugmentOptions, generator: torch.Generator) -> Tensor:
    """Affine matrices with quarter (`decubitus`) and half turns (`prone`) of some items.

    A turned lung is the same lung, so the side channels stay. Whether an item is mirrored can't be
    read from a turned matrix any more: read it before.
    """
    n = len(matrices)
    kind = torch.rand(n, generator=generator)
    way = 1 - 2 * chance(generator, n, 0.5).flatten()
    quarter = kind < options.decubitus
    half = ~quarter & (kind < options.decubitus + options.prone)
    cos = torch.where(quarter, 0.0, torch.where(half, -1.0, 1.0))
    sin = torch.where(quarter, way, 0.0)
    turn = torch.stack([cos, -sin, sin, cos], dim=1).reshape(n, 2, 2)
    return torch.cat([matrices[:, :, :2] @ turn, matrices[:, :, 2:]], dim=2)


def displacement(
    options: AugmentOptions, n: int, size: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """(n, h, w, 2): smooth (x, y) in half frame widths, to be added to where each pixel looks."""
    h, w = size
    cells = _ELASTIC_CELLS
    # Neighbours that differ more would fold the picture.
    coarse = torch.randn((n, 2, cells, cells), generator=generator).clamp(-2, 2)
    coarse = coarse * uniform(generator, n, 0, 2 * options.elastic)
    return (enlargement(cells, h) @ (coarse @ enlargement(cells, w).T)).permute(0, 2, 3, 1)


def swap_sides(targets: Tensor, mirrored: Tensor) -> Tensor:
    """Exchange right and left (channels 0, 1) of mirrored items whose targets have sides."""
    swapped = targets.clone()
    swapped[mirrored, 0], swapped[mirrored, 1] = targets[mirrored, 1], targets[mirrored, 0]
    return swapped
