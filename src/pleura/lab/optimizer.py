"""Optimizer and learning rate of a config, and the moving average of weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from pleura.lab.config import OptimizerOptions

_MOMENTUM = 0.9
_POLYNOMIAL_POWER = 0.9  # as DeepLab (Chen et al. 2017) and nnU-Net have it


def build_optimizer(network: nn.Module, options: OptimizerOptions) -> torch.optim.Optimizer:
    """The optimizer that a config names, over all parameters."""
    rate, decay = options.learning_rate, options.weight_decay
    parameters = list(network.parameters())
    if options.kind == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, momentum=_MOMENTUM, nesterov=True, weight_decay=decay
        )
    kind = torch.optim.AdamW if options.kind == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, weight_decay=decay)


def learning_rate(options: OptimizerOptions, step: int, steps: int) -> float:
    """The rate of a step: linear warm-up times the schedule's share."""
    warm = min(1.0, (step + 1) / max(1, options.warmup_steps))
    done = step / steps
    left = {
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "polynomial": math.pow(1 - done, _POLYNOMIAL_POWER),
        "constant": 1.0,
    }[options.schedule]
    return options.learning_rate * warm * (options.final_share + (1 - options.final_share) * left)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Of all parameters, from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class MovingAverage:
    """Exponential moving average of a network's weights (Polyak and Juditsky 1992).

    The decay grows to its value with the number of updates, (1 + n) / (10 + n), so that the random
    start is soon forgotten. Running statistics are averaged too; counters are copied.

    Attributes:
        network: the averaged copy, in eval mode.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take the weights after `step` (from 1) into the average."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, new in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(new, 1 - decay)
            else:
                mean.copy_(new)
