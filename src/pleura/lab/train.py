"""`pleura train`: one experiment from a config to a run folder, resumable. Reads top to bottom.

RUN/config.json       what was asked for (and versions, threads, data)
RUN/metrics.jsonl     one line an epoch
RUN/last.safetensors  network, optimizer and counters, to resume from
RUN/best.safetensors  the network with the best validation Dice
"""

from __future__ import annotations

import json
import math
import platform
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pleura.errors import UsageError
from pleura.lab import checkpoint
from pleura.lab.config import OptimizerOptions, TrainConfig
from pleura.lab.dataset import TrainingSlices, WholeScan, whole_scan
from pleura.lab.losses import loss_by_name
from pleura.lab.network import ResUNet, load_encoder_weights
from pleura.lab.store import Store

_VALIDATION_BATCH = 16


class Progress(Protocol):
    """What a progress bar must understand."""

    def update(self, step: int, message: str) -> None: ...


def train(config: TrainConfig, run: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Train until `config.steps`, from the last checkpoint when there is one.

    Returns:
        The state at the end: step, best validation Dice and its step.

    Raises:
        UsageError: a run folder of another config, no store, no scans.
    """
    torch.manual_seed(config.seed)
    loss_function = loss_by_name(config.loss)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = Store(Path(config.store))
    slices = TrainingSlices(
        store, "train", config.sampling, config.augment, config.preprocessing, config.seed
    )
    validation = list(store.of_role("validation"))
    network = build_network(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.optimizer.learning_rate,
        weight_decay=config.optimizer.weight_decay,
    )  # fmt: skip
    run.mkdir(parents=True, exist_ok=True)
    _write_or_check_config(config, store, run)
    state: dict[str, Any] = {"step": 0, "best_dice": -1.0, "best_step": 0, "seconds": 0.0}
    last = run / "last.safetensors"
    if last.exists():
        state = checkpoint.load(last, network, optimizer)
    _drop_metrics_after(run, state["step"])
    writer = _tensorboard(run)

    while state["step"] < config.steps:
        start, began = state["step"], time.perf_counter()
        stop = min(config.steps, start + config.steps_per_epoch)
        network.train()
        losses = []
        for step in range(start, stop):
            set_learning_rate(optimizer, config.optimizer, step, config.steps)
            images, targets, known = (t.to(device) for t in slices.draw(step))
            images = images.contiguous(memory_format=torch.channels_last)
            with autocast(device, config.precision):
                logits = network(images)
            loss = loss_function(logits.float(), channels_of(targets, config), known)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise UsageError(
                    f"The loss became {losses[-1]} at step {step}; lower the learning rate."
                )
            if progress is not None:
                progress.update(step + 1, f"loss {np.mean(losses[-50:]):.4f}")
        # One scan in memory at a time: a store may hold a thousand.
        whole = (whole_scan(store, scan, config.preprocessing) for scan in validation)
        dice = validate(network, whole, device, config.precision)
        state = {**state, "step": stop, "seconds": state["seconds"] + time.perf_counter() - began}
        # Without validation scans, as when all data train the final model, the last is the best.
        improved = dice["mean"] > state["best_dice"] or not validation
        if improved:
            state = {**state, "best_dice": dice["mean"], "best_step": stop}
            checkpoint.save(run / "best.safetensors", network, None, state)
        record = {
            "step": stop, "loss": float(np.mean(losses)), "dice": dice, "best": improved,
            "learning_rate": optimizer.param_groups[0]["lr"], "seconds": state["seconds"],
        }  # fmt: skip
        with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        # After the line: a run killed between the two logs the epoch again, see below.
        checkpoint.save(last, network, optimizer, state)
        if writer is not None:
            writer.add_scalar("loss", record["loss"], stop)
            for name, value in dice.items():
                writer.add_scalar(f"dice/{name}", value, stop)
        if progress is not None:
            progress.update(stop, f"validation Dice {dice['mean']:.4f}")
    if writer is not None:
        writer.close()
    return state


def build_network(config: TrainConfig) -> ResUNet:
    """The network of a config, with its encoder's start weights when a file is named."""
    network = ResUNet(config.network.encoder, 1, len(config.network.channels))
    if config.network.encoder_weights is not None:
        load_encoder_weights(network, Path(config.network.encoder_weights))
    return network


def autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def set_learning_rate(
    optimizer: torch.optim.Optimizer, options: OptimizerOptions, step: int, steps: int
) -> None:
    """Linear warm-up, then a cosine to `final_share` of the rate."""
    warm = min(1.0, (step + 1) / max(1, options.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    share = options.final_share + (1 - options.final_share) * cosine
    for group in optimizer.param_groups:
        group["lr"] = options.learning_rate * warm * share


def channels_of(targets: Tensor, config: TrainConfig) -> Tensor:
    """Targets for the config's channels: three, or both lungs as one."""
    if len(config.network.channels) == 1:
        return targets[:, :2].sum(dim=1, keepdim=True).clamp(max=1)
    return targets


@torch.no_grad()
def validate(
    network: ResUNet, scans: Iterable[WholeScan], device: torch.device, precision: str
) -> dict[str, float]:
    """Dice of both lungs per scan on the network's grid, averaged by source; "mean" over sources.

    A scan without lung that is predicted empty counts 1. Without scans the mean is 0.
    """
    network.eval()
    by_source: dict[str, list[float]] = {}
    for item in scans:
        predicted = torch.cat(list(_lungs(network, item, device, precision)))
        reference = item.targets[:, :2].sum(dim=1) >= 0.5
        total = int(predicted.sum() + reference.sum())
        overlap = int((predicted & reference).sum())
        dice = 2 * overlap / total if total else 1.0
        by_source.setdefault(item.scan.source, []).append(dice)
    means = {source: float(np.mean(values)) for source, values in by_source.items()}
    return {**means, "mean": float(np.mean(list(means.values()))) if means else 0.0}


def _lungs(
    network: ResUNet, item: WholeScan, device: torch.device, precision: str
) -> Iterator[Tensor]:
    for images in torch.split(item.images, _VALIDATION_BATCH):
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        with autocast(device, precision):
            logits = network(images)
        yield (torch.sigmoid(logits.float())[:, :2].sum(dim=1) >= 0.5).cpu()


def _write_or_check_config(config: TrainConfig, store: Store, run: Path) -> None:
    path = run / "config.json"
    wanted = json.loads(json.dumps(config.to_dict()))
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8"))["config"] != wanted:
            raise UsageError(f"{run} holds a run of another config; name another run folder.")
        return
    record = {
        "config": wanted,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "threads": torch.get_num_threads(),
        "data": {
            f"{source}/{role}": scans
            for (source, role), scans in sorted(
                Counter((scan.source, scan.role) for scan in store.scans).items()
            )
        },
    }
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _drop_metrics_after(run: Path, step: int) -> None:
    """A killed run may have logged an epoch whose checkpoint is lost; it will be logged again."""
    path = run / "metrics.jsonl"
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A line without its end was cut off by the kill.
        kept = [line for line in lines if line[-1] == "\n" and json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")


def _tensorboard(run: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # optional
        return None
    return SummaryWriter(str(run))
