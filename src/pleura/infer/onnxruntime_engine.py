"""ONNX Runtime: the reference engine, on the CPU or on an NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pleura.errors import ModelError
from pleura.infer.choice import EngineUnavailableError
from pleura.infer.cpu import available_cores
from pleura.infer.quiet_imports import import_onnxruntime
from pleura.resample import FloatArray

_CUDA = "CUDAExecutionProvider"


class OnnxRuntimeEngine:
    """See `engine.Engine`.

    Args:
        network: an ONNX file.
        threads: 0 takes all cores.
        precision: what the file is: "fp32" or "int8".
        device: "cpu" or "cuda".

    Raises:
        ModelError: no ONNX file.
        EngineUnavailableError: "cuda" without onnxruntime-gpu, its libraries, its driver or a GPU.
    """

    name = "onnxruntime"

    def __init__(
        self, network: Path, threads: int = 0, precision: str = "fp32", device: str = "cpu"
    ) -> None:
        self.precision, self.device = precision, device
        self.threads = threads or available_cores()
        session = _on_cuda if device == "cuda" else _on_cpu
        self._session = session(import_onnxruntime(), network, self.threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: FloatArray) -> FloatArray:
        probabilities: FloatArray = self._session.run(None, {self._input: batch})[0]
        return probabilities


def _on_cpu(onnxruntime: Any, network: Path, threads: int) -> Any:
    try:
        return _session(onnxruntime, network, threads, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many error types without a common base
        raise ModelError(f"{network} is no network that onnxruntime can load.") from error


def _on_cuda(onnxruntime: Any, network: Path, threads: int) -> Any:
    if _CUDA not in onnxruntime.get_available_providers():
        raise EngineUnavailableError(
            "Device cuda needs onnxruntime-gpu in place of onnxruntime; "
            "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'."
        )
    providers = [(_CUDA, {"use_tf32": 0}), "CPUExecutionProvider"]  # TF32 is no fp32
    try:
        onnxruntime.preload_dlls()  # CUDA's libraries that pip installed
        session = _session(onnxruntime, network, threads, providers)
    except Exception as error:
        _on_cpu(onnxruntime, network, threads)  # raises when the network is at fault, not the GPU
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines[0] if lines else type(error).__name__)[:200].rstrip(".")
        raise _no_gpu(reason) from error
    if session.get_providers()[0] != _CUDA:
        raise _no_gpu("onnxruntime fell back to the CPU")
    return session


def _session(onnxruntime: Any, network: Path, threads: int, providers: list[Any]) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3 + (len(providers) > 1)  # what fails with CUDA is an error here
    return onnxruntime.InferenceSession(
        str(network), options, providers=providers, enable_fallback=0
    )


def _no_gpu(reason: str) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"onnxruntime-gpu can't use a GPU here ({reason}); check nvidia-smi and the versions of "
        "CUDA and cuDNN, or choose device cpu."
    )
