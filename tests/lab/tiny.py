"""Networks, options and runs small enough for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pleura.lab import network as network_module
from pleura.lab.augment import AugmentOptions
from pleura.lab.checkpoint import read_state
from pleura.lab.config import OptimizerOptions, TrainConfig
from pleura.lab.dataset import SamplingOptions, TrainingSlices
from pleura.lab.disease import DiseaseOptions
from pleura.lab.network import ResUNet
from pleura.lab.run_folder import read_metrics
from pleura.lab.store import Store
from pleura.lab.whole_scan import WholeScan
from pleura.model_spec import Preprocessing

STEPS, EPOCH = 6, 3
# Goes the way of augmented slices with every range at 0.
STILL = AugmentOptions(**{f.name: 0.0 for f in fields(AugmentOptions) if f.name != "enabled"})
RULES = Preprocessing(long_side=64)
HEALTHY = DiseaseOptions()
SAMPLING = SamplingOptions(batch_size=6, canvas=(64, 64))


@contextmanager
def narrow() -> Iterator[None]:
    """The same network with few channels: 14 million numbers would take minutes here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, "ENCODER_CHANNELS", (64, 8, 8, 16, 16))
        patch.setattr(network_module, "DECODER_CHANNELS", (8, 8, 8, 8, 8))
        patch.setitem(network_module.ENCODER_DEPTHS, "resnet18", (1, 1, 1, 1))
        yield


def tiny_config(store: Path, **changes: Any) -> TrainConfig:
    """Two epochs of three steps on slices of 64 x 64."""
    options = {
        "name": "tiny", "store": str(store), "seed": 5, "steps": STEPS, "steps_per_epoch": EPOCH,
        "precision": "fp32", "optimizer": OptimizerOptions(learning_rate=2e-3, warmup_steps=2),
        "sampling": SamplingOptions(batch_size=2, canvas=(64, 64)),
        "preprocessing": RULES,
    }  # fmt: skip
    return TrainConfig(**{**options, **changes})


@dataclass(frozen=True)
class Drawing:
    """What batches depend on; its canvas may be one that a `TrainConfig` refuses."""

    sampling: SamplingOptions
    augment: AugmentOptions
    preprocessing: Preprocessing
    seed: int = 0
    disease: DiseaseOptions = HEALTHY


def slices_of(
    store: Store, sampling: SamplingOptions = SAMPLING, augment: AugmentOptions = STILL,
    seed: int = 0, rules: Preprocessing = RULES, in_order: bool = False,
    disease: DiseaseOptions = HEALTHY,
) -> TrainingSlices:  # fmt: skip
    """Batches of a store's training scans."""
    drawing = Drawing(sampling, augment, rules, seed, disease)
    return TrainingSlices(store, list(store.of_role("train")), drawing, in_order)


def whole(store: Store, rules: Preprocessing = RULES, number: int = 0) -> tuple[Tensor, Tensor]:
    """Network input (z, 1, h, w) and targets (z, c, h, w) of a store's scan."""
    (batch,) = WholeScan(store, store.scans[number], rules).batches(store.scans[number].shape[0])
    return batch


def as_json(config: TrainConfig) -> dict[str, Any]:
    """What config.json holds."""
    table: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return table


def metrics_of(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without the time, which never repeats."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(run)]


def assert_same_run(run: Path, other: Path) -> None:
    """Checkpoints bit by bit, metrics, and counters."""
    for name in ("last", "best"):
        ours, theirs = (load_file(folder / f"{name}.safetensors") for folder in (run, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert metrics_of(run) == metrics_of(other)
    states = [read_state(folder / "last.safetensors") for folder in (run, other)]
    assert {**states[0], "seconds": 0} == {**states[1], "seconds": 0}


class StoppedError(Exception):
    pass


class StopAfter:
    """A progress bar that raises once a step is done."""

    def __init__(self, step: int | None) -> None:
        self.step = step
        self.messages: list[tuple[int, int, str]] = []

    def update(self, step: int, steps: int, message: str) -> None:
        self.messages.append((step, steps, message))
        if step == self.step:
            raise StoppedError


def band_detector(network: ResUNet, bands: Sequence[tuple[float, float]]) -> ResUNet:
    """Weights by hand: a channel answers where the mean of 2 x 2 inputs lies in its band."""
    for parameter in network.parameters():
        parameter.data.zero_()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.fill_(1)
    stem, (*_, third, fourth) = network.encoder, network.decoder.blocks
    skip = third.conv1[0].in_channels - 64  # where the stem's channels begin
    for index, (low, high) in enumerate(bands):
        pair = slice(2 * index, 2 * index + 2)
        stem.conv1.weight.data[pair, 0, 3:5, 3:5] = -0.25
        stem.bn1.bias.data[pair] = torch.tensor([high, low])
        entry = slice(skip + pair.start, skip + pair.stop)
        third.conv1[0].weight.data[index, entry, 1, 1] = torch.tensor([1.0, -20.0])
        for conv in (third.conv2, fourth.conv1, fourth.conv2):
            conv[0].weight.data[index, index, 1, 1] = 1
        network.segmentation_head[0].weight.data[index, index, 1, 1] = 100
    network.segmentation_head[0].bias.data[:] = -5
    return network.eval()
