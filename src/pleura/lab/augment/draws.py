"""Random numbers for a batch, from one generator."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F


def uniform(generator: torch.Generator, n: int, low: float, high: float) -> Tensor:
    """(n, 1, 1, 1) numbers in [low, high)."""
    return low + (high - low) * torch.rand((n, 1, 1, 1), generator=generator)


def chance(generator: torch.Generator, n: int, probability: float) -> Tensor:
    """(n, 1, 1, 1) of 0 and 1."""
    return (torch.rand((n, 1, 1, 1), generator=generator) < probability).float()


def picked(generator: torch.Generator, n: int, probability: float) -> Tensor:
    """Indices of the items that get an effect, so that it costs nothing for the others."""
    return torch.nonzero(torch.rand(n, generator=generator) < probability)[:, 0]


def smooth_field(shape: tuple[int, int, int], cells: int, generator: torch.Generator) -> Tensor:
    """(n, 1, h, w) smooth random numbers of about unit variance."""
    n, h, w = shape
    noise = torch.randn((n, 1, cells, cells), generator=generator)
    # A bicubic enlargement is a product of matrices, which is several times faster.
    return enlargement(cells, h) @ (noise @ enlargement(cells, w).T)


@lru_cache(maxsize=32)
def enlargement(cells: int, size: int) -> Tensor:
    """(size, cells): the matrix that enlarges a line of `cells` numbers bicubically. Don't change
    it, others share it."""
    lines = torch.eye(cells)[None, None]
    wide = F.interpolate(lines, size=(cells, size), mode="bicubic", align_corners=False)
    return wide[0, 0].T.contiguous()
