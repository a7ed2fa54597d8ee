"""What the tests of augmentation share."""

from __future__ import annotations

import torch

N, H, W = 4, 48, 64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def edge(n: int = 1, low: float = -800.0, high: float = 40.0) -> torch.Tensor:
    """(n, 1, H, W): `low` on the left half, `high` on the right."""
    images = torch.full((n, 1, H, W), low)
    images[..., W // 2 :] = high
    return images
