"""What a run writes beside its checkpoints: config.json, and one line an epoch in metrics.jsonl."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pleura.errors import UsageError
from pleura.lab.config import TrainConfig, from_table
from pleura.lab.store import Store
from pleura.write.atomic import write_bytes


def write_or_check_config(config: TrainConfig, store: Store, run: Path) -> None:
    """Write config.json, or compare it with the one that is there.

    Raises:
        UsageError: the folder holds a run of another config.
    """
    path = run / "config.json"
    if path.exists():
        if read_config(run) != config:
            raise UsageError(f"{run} holds a run of another config; name another run folder.")
        return
    counts = Counter((scan.source, scan.role) for scan in store.scans)
    record = {
        "config": config.to_dict(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "threads": torch.get_num_threads(),
        "data": {f"{source}/{role}": scans for (source, role), scans in sorted(counts.items())},
    }
    run.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps(record, indent=1).encode())


def read_config(run: Path) -> TrainConfig:
    """The config that a run was made with; options that are younger than the run have defaults.

    Raises:
        UsageError: no readable config.json there.
    """
    try:
        record = json.loads((run / "config.json").read_text(encoding="utf-8"))
        return from_table(TrainConfig, record["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{run} has no readable config.json ({error}); train again.") from error


def append_metrics(run: Path, record: Mapping[str, Any]) -> None:
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """One record an epoch: step, loss, dice, validation_loss, best, learning_rate, seconds.

    Raises:
        UsageError: missing or damaged.
    """
    try:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise UsageError(f"{run} has no readable metrics.jsonl ({error}); train again.") from error


def drop_metrics_after(run: Path, step: int) -> None:
    """A killed run may have logged an epoch whose checkpoint is lost; it will be logged again."""
    path = run / "metrics.jsonl"
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A line without its end was cut off by the kill.
        kept = [line for line in lines if line[-1] == "\n" and json.loads(line)["step"] <= step]
        write_bytes(path, "".join(kept).encode())


def tensorboard(run: Path) -> Any:
    """A TensorBoard writer where that is installed, else None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # optional
        return None
    return SummaryWriter(str(run))
