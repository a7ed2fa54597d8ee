"""Losses by name, on logits and soft targets, with channels that a scan doesn't label left out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.errors import UsageError


def union_logit(logits: Tensor) -> Tensor:
    """Logit of right or left (channels 0 and 1 of dim 1): p = 1 - (1 - right)(1 - left)."""
    right, left = logits[:, 0], logits[:, 1]
    # odds p / (1 - p) = e^right + e^left + e^(right + left), exact at any size
    return torch.logsumexp(torch.stack([right, left, right + left]), dim=0)


def masked_bce(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy over labelled channels; merged lungs are compared by their union.

    Args:
        logits: (n, c, h, w) with channels right, left, airways; or (n, 1, h, w), merged.
        targets: same shape, occupancies 0 to 1; merged lungs lie in channel 0.
        known: (n, c) booleans; where right is unknown in a 3-channel item, only the union of
            right and left is compared with channel 0.

    Returns:
        Scalar: mean over pixels and labelled channels.
    """
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits, targets)
    known = known.to(logits.dtype)
    per_channel = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    per_channel = per_channel.mean(dim=(2, 3))
    union = F.binary_cross_entropy_with_logits(
        union_logit(logits), targets[:, 0], reduction="none"
    ).mean(dim=(1, 2))
    merged = 1 - known[:, 0]
    # An item with a union counts like one with two sides, so that data sets weigh alike.
    total = (per_channel * known).sum() + 2 * (union * merged).sum()
    return total / (known.sum() + 2 * merged.sum()).clamp(min=1)


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {"bce": masked_bce}


def loss_by_name(name: str) -> Loss:
    """Raises UsageError with the known names."""
    if name not in LOSSES:
        raise UsageError(f"Unknown loss '{name}'; choose one of {', '.join(LOSSES)}.")
    return LOSSES[name]
