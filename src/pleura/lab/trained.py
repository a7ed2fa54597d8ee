"""A trained run's network, for `export` and as a teacher of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pleura.errors import UsageError
from pleura.lab import checkpoint, run_folder
from pleura.lab.config import TrainConfig
from pleura.lab.network import ResUNet
from pleura.lab.store import Store
from pleura.lab.validate import autocast
from pleura.model_spec import Preprocessing

CHECKPOINTS = ("best", "last")


@dataclass(frozen=True, eq=False)
class Member:
    """A trained network: its run, config, weights in eval mode, and state."""

    run: Path
    config: TrainConfig
    network: ResUNet
    state: Mapping[str, Any]


def load_run(run: Path, which: str) -> Member:
    """Config, network in eval mode and state of a run's checkpoint ("best" or "last").

    Raises:
        UsageError: no such checkpoint, or the best of a run that isn't finished.
    """
    path = run / f"{which}.safetensors"
    if not path.exists():
        raise UsageError(f"{run} has no {which} checkpoint; train first, see `pleura train`.")
    config = run_folder.read_config(run)
    if which != "last" and not run_folder.is_finished(run, config):
        raise UsageError(
            f"{run} isn't finished, so its {which} checkpoint may not be the one to come; run the "
            "same `pleura train` again, or take what there is by --checkpoint last."
        )
    network = network_of(config)
    state = checkpoint.load(path, network)
    return Member(run, config, network.eval(), state)


def network_of(config: TrainConfig) -> ResUNet:
    """The network that a config describes, with random weights."""
    options = config.network
    return ResUNet(options.encoder, 1, len(options.channels), options.width)


def check_start(config: TrainConfig, store: Store) -> None:
    """Raise UsageError when the run to start from was trained on what this one validates on.

    Only of a run on the same data and roles that can be told, by its folds.
    """
    if config.network.start is None:
        return
    run = Path(config.network.start)
    theirs = run_folder.read_config(run)
    known = run_folder.read_record(run).get("split") == run_folder.split_hash(store)
    if known and (theirs.folds, theirs.fold) != (config.folds, config.fold):
        raise UsageError(
            f"{run} was trained with other folds of {store.path}, so it has seen scans that "
            "validate here; training can't start from it."
        )


def start_from_run(network: ResUNet, run: Path) -> None:
    """Fill a network with the best weights of a finished run.

    Raises:
        UsageError: no finished run there, or one of another network.
    """
    member = load_run(run, "best")
    try:
        network.load_state_dict(member.network.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"{run} holds another network (encoder, width or channels differ); training can't "
            "start from it."
        ) from error


def _seen(config: TrainConfig) -> Preprocessing:
    """The preprocessing that training sees, which knows no slabs."""
    return replace(config.preprocessing, slab_mm=0.0)


class Teacher:
    """A trained network that answers a student's batches with probabilities.

    Args:
        config: the student's; its teacher must be named.
        device: where both compute.

    Raises:
        UsageError: no finished run there, or one with other channels or another preprocessing.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        assert config.distillation.teacher is not None
        run = Path(config.distillation.teacher)
        member = load_run(run, "best")
        for what, theirs, ours in (
            ("channels", member.config.network.channels, config.network.channels),
            ("preprocessing", _seen(member.config), _seen(config)),
        ):
            if theirs != ours:
                raise UsageError(
                    f"The teacher {run} was trained with other {what} than this config has "
                    f"({theirs}); make them alike."
                )
        self.precision, self.device = config.precision, device
        self.network = member.network.to(device).requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Network input (n, 1, h, w) -> probabilities (n, channels, h, w), float32."""
        with autocast(self.device, self.precision):
            logits = self.network(images)
        return torch.sigmoid(logits.float())
