"""A batch as labelled planes: what each output channel is compared with, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pleura.labels import CHANNELS


@dataclass(frozen=True, eq=False)
class Planes:
    """Labelled planes of a batch, one a slice and labelled channel."""

    logits: Tensor  # (m, h, w) float32
    targets: Tensor  # (m, h, w) occupancy 0 to 1
    weights: Tensor  # (m,)

    def mean(self, values: Tensor) -> Tensor:
        """Weighted mean over planes of each plane's mean; `values` is (m, ...)."""
        return (values.flatten(1).mean(dim=1) * self.weights).sum() / self.weights.sum()


Loss = Callable[[Planes], Tensor]


def planes_of(logits: Tensor, targets: Tensor, known: Tensor, channels: Sequence[str]) -> Planes:
    """The labelled planes of a batch.

    "lungs" is compared with right + left and is always known. Merged lungs are compared with
    the union of right and left in a network with sides.

    Args:
        logits: (n, c, h, w), any float type; one channel for each of `channels`.
        targets: (n, 3, h, w) occupancies 0 to 1 of right, left, airways; lungs whose sides are
            unknown lie in channel 0 with 0 in channel 1.
        known: (n, 3) booleans, right, left, airways.
        channels: one of `labels.CHANNEL_SETS`; right and left, where present, come first.
    """
    logits, targets = logits.float(), targets.float()
    parts = [
        _whole_lungs(logits[:, index], targets)
        if channel == "lungs"
        else _known_only(logits[:, index], targets, known, CHANNELS.index(channel))
        for index, channel in enumerate(channels)
    ]
    if "right" in channels:
        merged = ~known[:, 0]
        # An item with a union counts like one with two sides, so that data sets weigh alike.
        parts.append((union_logit(logits[merged]), targets[merged, 0], 2.0))
    return Planes(
        torch.cat([part for part, _, _ in parts]),
        torch.cat([target for _, target, _ in parts]),
        torch.cat([logits.new_full((len(part),), weight) for part, _, weight in parts]),
    )


def union_logit(logits: Tensor) -> Tensor:
    """Logit of right or left (channels 0 and 1 of dim 1): p = 1 - (1 - right)(1 - left)."""
    right, left = logits[:, 0], logits[:, 1]
    # odds p / (1 - p) = e^right + e^left + e^(right + left), exact at any size
    return torch.logsumexp(torch.stack([right, left, right + left]), dim=0)


def _whole_lungs(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, float]:
    return logits, targets[:, :2].sum(dim=1).clamp(max=1), 1.0


def _known_only(
    logits: Tensor, targets: Tensor, known: Tensor, channel: int
) -> tuple[Tensor, Tensor, float]:
    labelled = known[:, channel]
    return logits[labelled], targets[labelled, channel], 1.0
