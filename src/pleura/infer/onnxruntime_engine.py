"""ONNX Runtime on the CPU: the reference engine, float32."""

from __future__ import annotations

import os
from pathlib import Path

from pleura.errors import ModelError
from pleura.resample import FloatArray


class OnnxRuntimeEngine:
    """See `engine.Engine`."""

    name = "onnxruntime"
    precision = "fp32"

    def __init__(self, model: Path, threads: int) -> None:
        import onnxruntime

        self.threads = threads or available_cores()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has many error types without a common base
            raise ModelError(f"{model} is no network that onnxruntime can load.") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: FloatArray) -> FloatArray:
        probabilities: FloatArray = self._session.run(None, {self._input: batch})[0]
        return probabilities


def available_cores() -> int:
    """Cores that this process may use (containers and taskset count)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
