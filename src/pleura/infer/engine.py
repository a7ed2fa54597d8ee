"""The one interface that every inference engine has, and the way to get one by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pleura.errors import UsageError
from pleura.infer.model_folder import ModelFolder
from pleura.resample import FloatArray

ENGINES = ("auto", "onnxruntime")
PRECISIONS = ("auto", "fp32")


@dataclass(frozen=True)
class EngineOptions:
    """Args: name: one of ENGINES; precision: one of PRECISIONS; threads: 0 = all cores."""

    name: str = "auto"
    precision: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise UsageError(f"Unknown engine '{self.name}'; choose one of {', '.join(ENGINES)}.")
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"Unknown precision '{self.precision}'; choose one of {', '.join(PRECISIONS)}."
            )
        if self.threads < 0:
            raise UsageError(f"Threads must be 0 (all cores) or more, not {self.threads}.")


class Engine(Protocol):
    """A loaded network."""

    name: str
    precision: str
    threads: int

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Network input (n, 1, h, w) -> probabilities (n, channels, h, w), both float32."""
        ...


def load_engine(folder: ModelFolder, options: EngineOptions) -> Engine:
    """Load a model's network into the wanted engine."""
    from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(folder.file("main"), options.threads)
