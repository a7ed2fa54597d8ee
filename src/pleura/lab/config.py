"""One experiment = one TOML file = one `TrainConfig`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from pleura.errors import ModelError, UsageError
from pleura.lab.augment import AugmentOptions
from pleura.lab.dataset import SamplingOptions
from pleura.lab.losses import LOSSES
from pleura.labels import CHANNELS
from pleura.model_spec import Preprocessing

T = TypeVar("T")

PRECISIONS = ("bf16", "fp32")


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

    def __post_init__(self) -> None:
        for fine, sentence in _checks(self):
            if not fine:
                raise UsageError(sentence)

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
        except (TypeError, ValueError, ModelError, UsageError) as error:
            raise UsageError(f"{path}: {error}") from error


def _checks(config: TrainConfig) -> Iterator[tuple[bool, str]]:
    """What must hold, each with what to say when it doesn't."""
    sampling, rules = config.sampling, config.preprocessing
    why = "since the network halves its input five times"
    yield config.steps >= 1, f"steps must be at least 1, not {config.steps}."
    yield config.steps_per_epoch >= 1, "steps_per_epoch must be at least 1."
    yield sampling.batch_size >= 1, "sampling.batch_size must be at least 1."
    yield 0 <= sampling.empty_share <= 1, "sampling.empty_share must lie between 0 and 1."
    yield (
        len(sampling.canvas) == 2 and all(n > 0 and n % 32 == 0 for n in sampling.canvas),
        f"sampling.canvas must be two multiples of 32, {why}.",
    )
    yield rules.multiple % 32 == 0, f"preprocessing.multiple must be a multiple of 32, {why}."
    yield rules.scaling in ("unit", "none"), "preprocessing.scaling must be 'unit' or 'none'."
    yield rules.crop == "body", "preprocessing.crop must be 'body': a store keeps no more."
    yield config.loss in LOSSES, f"loss must be one of {', '.join(LOSSES)}."
    yield config.precision in PRECISIONS, f"precision must be one of {', '.join(PRECISIONS)}."
    yield (
        config.network.channels in (CHANNELS, ("lungs",)),
        f"network.channels must be {list(CHANNELS)} or ['lungs'].",
    )
    # From 90 degrees on, a turned image can't be told from a mirrored one by its matrix.
    yield abs(config.augment.rotation_deg) < 90, "augment.rotation_deg must be less than 90."


def from_table(kind: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """A dataclass from nested tables.

    Raises:
        UsageError: an unknown key, with the known ones, or a value of another type.
    """
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
        elif not _fits(value, known[key].default):
            raise UsageError(
                f"{where}{key} can't be {value!r}; it must be like {known[key].default!r}."
            )
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _fits(value: object, default: object) -> bool:
    """Whether a value has its default's type; a whole number may stand for any number."""
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(_fits(v, default[0]) for v in value)
    return default is None or type(value) is type(default)
