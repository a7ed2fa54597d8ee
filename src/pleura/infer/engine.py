"""The one interface that every inference engine has, and the way to get one by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pleura.infer.choice import Choice, EngineOptions, EngineUnavailableError, choices
from pleura.infer.cpu import cpu_features
from pleura.infer.model_folder import ModelFolder
from pleura.resample import FloatArray

__all__ = ["Engine", "EngineOptions", "load_engine"]


class Engine(Protocol):
    """A loaded network. Calls release the GIL."""

    name: str
    precision: str
    device: str
    threads: int

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Network input (n, 1, h, w) -> probabilities (n, channels, h, w), both float32.

        A new n, h or w costs some tens of milliseconds once.
        """
        ...


def load_engine(folder: ModelFolder, options: EngineOptions) -> Engine:
    """Load a model's network into the wanted engine, or into the fastest that works here.

    Raises:
        UsageError: what is wanted isn't installed, or model or CPU lack it.
        ModelError: the network is damaged; no other engine is tried then.
    """
    rows = choices(options, folder.spec.files, cpu_features())
    for row in rows[:-1]:
        try:
            return _load(folder.file(row.role), row, options)
        except EngineUnavailableError:  # no wheel for this Python, say; the next one will do
            continue
    return _load(folder.file(rows[-1].role), rows[-1], options)


def _load(network: Path, row: Choice, options: EngineOptions) -> Engine:
    if row.engine == "openvino":
        from pleura.infer.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(network, options.threads, row.precision)
    from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(network, options.threads, row.precision, options.device)
