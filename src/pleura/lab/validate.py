"""How good a network is on whole scans, on the network's grid: Dice of both lungs, and the loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pleura.lab.config import TrainConfig
from pleura.lab.losses import loss_by_name, planes_of
from pleura.lab.whole_scan import WholeScan, known_channels

_BATCH = 16


@dataclass(frozen=True)
class Validation:
    """Dice by source and their "mean", and the loss, a mean over slices (0 without scans)."""

    dice: dict[str, float]
    loss: float


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which the network computes in bf16, or as it is for "fp32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def validate(
    network: nn.Module, scans: Iterable[WholeScan], device: torch.device, config: TrainConfig
) -> Validation:
    """Dice of both lungs per scan, averaged by source; "mean" over sources.

    A scan without lung that is predicted empty counts 1. Without scans the mean is 0.
    """
    network.eval()
    loss_function, channels = loss_by_name(config.loss), config.network.channels
    by_source: dict[str, list[float]] = {}
    losses: list[float] = []
    sizes: list[int] = []
    for item in scans:
        known = known_channels(item.scan)
        total = overlap = 0
        for batch in item.batches(_BATCH):
            images, targets = (part.to(device) for part in batch)
            images = images.contiguous(memory_format=torch.channels_last)
            with autocast(device, config.precision):
                logits = network(images)
            logits = logits.float()
            many = known.to(device).expand(len(images), -1)
            losses.append(float(loss_function(planes_of(logits, targets, many, channels))))
            sizes.append(len(images))
            predicted = lung_probability(logits, channels) >= 0.5
            reference = targets[:, :2].sum(dim=1) >= 0.5
            total += int(predicted.sum() + reference.sum())
            overlap += int((predicted & reference).sum())
        dice = 2 * overlap / total if total else 1.0
        by_source.setdefault(item.scan.source, []).append(dice)
    means = {source: float(np.mean(values)) for source, values in by_source.items()}
    mean = float(np.mean(list(means.values()))) if means else 0.0
    return Validation(
        {**means, "mean": mean}, float(np.average(losses, weights=sizes)) if sizes else 0.0
    )


def lung_probability(logits: Tensor, channels: tuple[str, ...]) -> Tensor:
    """(n, h, w) probability of either lung; sides exclude each other, so they add up."""
    return torch.sigmoid(logits[:, : 2 if "right" in channels else 1]).sum(dim=1)
