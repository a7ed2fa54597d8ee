"""Checkpoints without pickles: tensors and state in one safetensors file, JSON for people."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pleura.errors import OutputError, UsageError
from pleura.write.atomic import write_bytes


def save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer | None,
    state: dict[str, Any], average: nn.Module | None = None,
) -> None:  # fmt: skip
    """Write `path` (.safetensors), whole or not at all, and its state once more as .json.

    Args:
        path, network, optimizer, state: what to save, and where.
        average: the network's moving average, to be saved beside it.

    Raises:
        OutputError: disk full or no permission; a whole checkpoint, mostly the older, is there.
    """
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": t for name, t in average.state_dict().items()}
    if optimizer is not None:
        for index, values in optimizer.state_dict()["state"].items():
            for name, value in values.items():
                tensors[f"optimizer.{index}.{name}"] = value
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    partial = path.with_suffix(".partial")
    try:
        # The state travels inside, so that tensors and counters can never be of two moments.
        save_file(tensors, partial, metadata={"state": json.dumps(state)})
        with partial.open("rb") as file:  # on disk before it takes the older one's place
            os.fsync(file.fileno())
        os.replace(partial, path)
        write_bytes(path.with_suffix(".json"), json.dumps(state, indent=1).encode())
    except Exception as error:  # safetensors has errors of its own, not only OSError
        partial.unlink(missing_ok=True)
        raise OutputError(
            f"{path} could not be written ({error.__cause__ or error}); "
            "free space and start again to resume."
        ) from error


def load(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer | None = None,
    average: nn.Module | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Fill network, optimizer and moving average from a checkpoint; returns the saved state.

    Raises:
        UsageError: missing, damaged, or of another network.
    """
    try:
        tensors = load_file(path)
        network.load_state_dict(_with_prefix(tensors, "network."))
        if average is not None:
            average.load_state_dict(_with_prefix(tensors, "average."))
        if optimizer is not None:
            fill_optimizer(optimizer, _with_prefix(tensors, "optimizer."))
        return _state_of(path)
    except Exception as error:  # safetensors and torch have errors of their own
        reason = [line.strip() for line in str(error).splitlines() if not line.endswith(":")]
        raise UsageError(
            f"{path} is no checkpoint of this network ({(reason or [type(error).__name__])[0]}); "
            "name another run."
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """The JSON part of a checkpoint, without loading tensors.

    Raises:
        UsageError: missing or damaged.
    """
    try:
        return _state_of(path)
    except Exception as error:  # safetensors has errors of its own
        raise UsageError(f"{path} is no readable checkpoint ({error}); train again.") from error


def _state_of(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        state: dict[str, Any] = json.loads(file.metadata()["state"])
    return state


def fill_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put tensors named `<parameter number>.<name>` back as the optimizer's state."""
    data = optimizer.state_dict()
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        data["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(data)


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
