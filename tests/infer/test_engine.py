"""Every engine gives the bundled network's probabilities, and the fastest that works is taken."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pleura import read
from pleura.errors import ModelError, UsageError
from pleura.infer.choice import EngineOptions, EngineUnavailableError
from pleura.infer.cpu import available_cores, cpu_features
from pleura.infer.engine import Engine, load_engine
from pleura.infer.model_folder import open_model
from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine
from pleura.infer.openvino_engine import OpenVinoEngine
from pleura.preprocess import prepare
from pleura.resample import FloatArray

needs_bf16 = pytest.mark.skipif("bf16" not in cpu_features(), reason="needs a CPU with bf16")
ENGINES = [
    ("onnxruntime", "fp32"), ("openvino", "fp32"),
    pytest.param("openvino", "bf16", marks=needs_bf16),
]  # fmt: skip


def load(name: str = "auto", precision: str = "auto", threads: int = 1) -> Engine:
    return load_engine(open_model(), EngineOptions(name, precision, threads))


@pytest.fixture(scope="module")
def slices(examples: Path) -> FloatArray:
    """Network input of four slices through the lungs of a real CT."""
    scan = read(examples / "chest.nii.gz")
    prepared = prepare(scan, open_model().spec.preprocessing)
    every = np.concatenate(list(prepared.batches(8)))
    return np.ascontiguousarray(every[len(every) // 3 : len(every) * 2 // 3 : 12])


@pytest.fixture(scope="module")
def reference(slices: FloatArray) -> FloatArray:
    """What they become by onnxruntime in fp32."""
    probabilities = load("onnxruntime", "fp32")(slices)
    assert (probabilities[:, :2].max(axis=1) > 0.5).mean() > 0.1
    return probabilities


@pytest.mark.parametrize(("name", "precision"), ENGINES)
def test_probabilities_of_any_batch_and_size(name: str, precision: str) -> None:
    engine = load(name, precision)
    assert (engine.name, engine.precision, engine.device) == (name, precision, "cpu")
    random = np.random.default_rng(0)
    for shape in ((1, 1, 64, 96), (3, 1, 128, 96)):
        probabilities = engine(random.random(shape, dtype=np.float32))
        assert probabilities.shape == (shape[0], 3, *shape[2:])
        assert probabilities.dtype == np.float32
        assert 0 <= probabilities.min() <= probabilities.max() <= 1


def test_openvino_computes_what_onnxruntime_computes(
    slices: FloatArray, reference: FloatArray
) -> None:
    assert np.abs(load("openvino", "fp32")(slices) - reference).max() < 1e-3


@needs_bf16
def test_bf16_changes_hardly_a_label(slices: FloatArray, reference: FloatArray) -> None:
    probabilities = load("openvino", "bf16")(slices)
    assert np.abs(probabilities - reference).max() > 1e-4  # it isn't fp32 by another name
    assert ((probabilities >= 0.5) == (reference >= 0.5)).all(axis=1).mean() >= 0.999


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_slice_does_not_depend_on_its_batch(name: str) -> None:
    engine = load(name, "fp32")
    batch = np.random.default_rng(1).random((3, 1, 64, 64), dtype=np.float32)
    alone = np.concatenate([engine(batch[k : k + 1]) for k in range(3)])
    assert np.abs(engine(batch) - alone).max() < 1e-4


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_answers_are_kept_and_threads_do_not_mix_them(name: str) -> None:
    """An answer is no view of memory that the next call overwrites."""
    batches = [np.full((1, 1, 64, 64), k / 8, dtype=np.float32) for k in range(8)]
    engine = load(name, "fp32")
    expected = [engine(batch).copy() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(engine, batches))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_threads_are_heeded(name: str) -> None:
    assert load(name, "fp32", threads=1).threads == 1
    assert load(name, "fp32", threads=0).threads == available_cores()


def test_without_openvino_onnxruntime_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert load().name == "onnxruntime"
    with pytest.raises(UsageError, match=r"OpenVINO can't be imported .*; pip install openvino"):
        load("openvino")


def test_a_precision_that_openvino_lacks_is_not_replaced_quietly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It computes in fp32 where the CPU has no bf16, and says so only when asked."""
    monkeypatch.setattr("pleura.infer.openvino_engine._HINTS", {"bf16": "f32", "fp32": "f32"})
    monkeypatch.setattr("pleura.infer.engine.cpu_features", lambda: frozenset({"bf16"}))
    with pytest.raises(UsageError, match="no bf16 arithmetic on this CPU; choose precision fp32"):
        load("openvino", "bf16")
    assert load().precision == "fp32"


def test_cuda_without_its_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UsageError, match="needs onnxruntime-gpu in place of onnxruntime"):
        load_engine(open_model(), EngineOptions(device="cuda"))


class NoDriver:
    """onnxruntime as its GPU build is on a machine without a driver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession
        providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
        monkeypatch.setattr(onnxruntime, "InferenceSession", self.session)

    def session(
        self, network: str, options: object, providers: list[object], **more: int
    ) -> object:
        if len(providers) > 1:
            raise RuntimeError("CUDA failure 35: the driver is insufficient.\n\nsomewhere.cc:129")
        return self._session(network, options, providers=providers, **more)


def test_cuda_without_a_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    NoDriver(monkeypatch)
    with pytest.raises(EngineUnavailableError) as caught:
        load_engine(open_model(), EngineOptions(device="cuda"))
    assert str(caught.value) == (
        "onnxruntime-gpu can't use a GPU here (CUDA failure 35: the driver is insufficient); check "
        "nvidia-smi and the versions of CUDA and cuDNN, or choose device cpu."
    )
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="no network that onnxruntime can load"):
        OnnxRuntimeEngine(tmp_path / "x.onnx", 1, device="cuda")


def test_cuda_that_falls_back_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession
    NoDriver(monkeypatch)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession",
        lambda *a, providers, **k: session(*a, providers=providers[-1:], **k),
    )  # fmt: skip
    with pytest.raises(EngineUnavailableError, match=r"\(onnxruntime fell back to the CPU\)"):
        load_engine(open_model(), EngineOptions(device="cuda"))


@pytest.mark.parametrize("engine", [OnnxRuntimeEngine, OpenVinoEngine])
def test_a_file_that_is_no_network(engine: type[Engine], tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="no network"):
        engine(tmp_path / "x.onnx", 1)  # type: ignore[call-arg]


@pytest.mark.gpu
def test_cuda_computes_what_the_cpu_computes(slices: FloatArray, reference: FloatArray) -> None:
    import time

    try:
        engine = load_engine(open_model(), EngineOptions(device="cuda"))
    except UsageError as error:
        pytest.skip(f"needs a GPU and onnxruntime-gpu: {error}")
    assert (engine.name, engine.precision, engine.device) == ("onnxruntime", "fp32", "cuda")
    print("\n| device | ms a slice |\n|---|---|")
    for each in (load("onnxruntime", "fp32", threads=0), engine):
        probabilities, times = each(slices), []
        for _ in range(10):
            began = time.perf_counter()
            each(slices)
            times.append((time.perf_counter() - began) / len(slices) * 1e3)
        print(f"| {each.device} | {np.median(times):.1f} |")
        assert np.abs(probabilities - reference).max() < 1e-3
