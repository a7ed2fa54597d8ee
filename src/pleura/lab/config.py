"""One experiment = one TOML file = one `TrainConfig`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from pleura.errors import ModelError, UsageError
from pleura.lab.augment import AugmentOptions
from pleura.lab.dataset import SamplingOptions
from pleura.labels import CHANNELS
from pleura.model_spec import Preprocessing

T = TypeVar("T")


@dataclass(frozen=True)
class NetworkOptions:
    """Encoder, output channels, and a state dict for the encoder's start (None: random)."""

    encoder: str = "resnet18"
    channels: tuple[str, ...] = CHANNELS
    encoder_weights: str | None = None


@dataclass(frozen=True)
class OptimizerOptions:
    """AdamW with a linear warm-up and a cosine down to `final_share` of the rate."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    final_share: float = 0.01


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on; written beside its results.

    Args:
        name: of the model that comes out.
        store: folder made by `pleura prepare`, relative to the working folder.
        steps, steps_per_epoch: length; validation and checkpoint follow each epoch.
        precision: "bf16" (autocast on CPU and GPU) or "fp32".
    """

    name: str = "lungs"
    store: str = "stores/data"
    seed: int = 0
    steps: int = 2500
    steps_per_epoch: int = 125
    loss: str = "bce"
    precision: str = "bf16"
    network: NetworkOptions = field(default_factory=NetworkOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_toml(cls, path: Path) -> TrainConfig:
        """Read a config.

        Raises:
            UsageError: missing, no TOML, or a key or value that makes no sense.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} is no readable TOML config ({error}).") from error
        try:
            return from_table(cls, data)
        except (TypeError, ModelError) as error:
            raise UsageError(f"{path}: {error}") from error
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error


def from_table(kind: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """A dataclass from nested tables; every unknown key is an error that lists the known ones."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise UsageError(f"unknown {where}{unknown[0]}; known are {', '.join(known)}.")
    values: dict[str, Any] = {}
    for key, value in data.items():
        default = known[key].default_factory
        nested = default if isinstance(default, type) and is_dataclass(default) else None
        if nested is not None:
            if not isinstance(value, Mapping):
                raise UsageError(f"{where}{key} must be a table.")
            value = from_table(nested, value, f"{where}{key}.")
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
