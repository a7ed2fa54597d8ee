"""int8: a second file whose kernels are bytes and whose labels are the float file's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from pleura.errors import ModelError, UsageError
from pleura.infer.choice import EngineOptions
from pleura.infer.cpu import cpu_features
from pleura.infer.engine import load_engine
from pleura.infer.model_folder import open_model, sha256_of
from pleura.lab import quantize as quantize_module
from pleura.lab.config import TrainConfig
from pleura.lab.export import ExportOptions, export_run
from pleura.lab.network import ResUNet
from pleura.lab.onnx_file import Probabilities, write_onnx
from pleura.lab.quantize import (
    QuantizeOptions,
    calibration_slices,
    check_agreement,
    float_nodes,
    quantize,
)
from pleura.lab.store import Store
from pleura.lab.store_writer import StoreWriter
from pleura.model_spec import ModelSpec
from tests.lab.small_store import add, small_chest
from tests.lab.test_export import write_run
from tests.lab.tiny import RULES, band_detector, narrow

pytestmark = pytest.mark.usefixtures("narrow_network")
LUNGS = [(0.07, 0.4)]  # windowed HU between air and tissue
OPTIONS = QuantizeOptions(slices=8)


def detector() -> ResUNet:
    return band_detector(ResUNet("resnet18", 1, 3), LUNGS)


@pytest.fixture(scope="module")
def plain(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without int8."""
    folder = tmp_path_factory.mktemp("plain") / "model"
    folder.mkdir()
    with narrow():
        write_onnx(Probabilities([detector()]).eval(), folder / "model.onnx")
    main = {"main": "model.onnx"}, {"main": sha256_of(folder / "model.onnx")}
    spec = ModelSpec("tiny", "1.0.0", *main, {"name": "resunet"}, preprocessing=RULES)
    (folder / "model.json").write_text(spec.to_json())
    return folder


@pytest.fixture
def model(plain: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in plain.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_the_folder_gets_a_second_file(model: Path, config: TrainConfig) -> None:
    before = (model / "model.onnx").read_bytes()
    spec = quantize(model, Path(config.store), OPTIONS)
    assert open_model(model).spec.to_json() == spec.to_json()
    assert spec.files == {"main": "model.onnx", "int8": "model.int8.onnx"}
    assert open_model(model).file("int8").name == "model.int8.onnx"
    assert open_model(model).file("main").read_bytes() == before
    names = {"model.onnx", "model.int8.onnx", "model.json"}
    assert {path.name for path in model.iterdir()} == names
    calibration = spec.training["calibration"]
    assert calibration["slices"] == 8 and calibration["store"] == "store"
    assert calibration["same_labels"] > 0.995


def test_kernels_are_bytes_but_for_the_first_and_the_last(model: Path, config: TrainConfig) -> None:
    quantize(model, Path(config.store), OPTIONS)
    kernels = [
        tensor.data_type
        for tensor in onnx.load(model / "model.int8.onnx").graph.initializer
        if len(tensor.dims) == 4
    ]
    assert kernels.count(TensorProto.FLOAT) == 2
    assert kernels.count(TensorProto.INT8) == len(kernels) - 2 > 10


def test_it_is_the_same_file_each_time(model: Path, config: TrainConfig) -> None:
    first = quantize(model, Path(config.store), OPTIONS)
    assert quantize(model, Path(config.store), OPTIONS).sha256 == first.sha256


@pytest.mark.skipif("vnni" not in cpu_features(), reason="needs a CPU with VNNI")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_both_engines_compute_it(name: str, model: Path, config: TrainConfig) -> None:
    quantize(model, Path(config.store), OPTIONS)
    folder = open_model(model)
    engine = load_engine(folder, EngineOptions(name, threads=1))
    assert (engine.name, engine.precision) == (name, "int8")
    reference = load_engine(folder, EngineOptions("onnxruntime", "fp32", 1))
    differences = []
    for image in calibration_slices(Store(Path(config.store)), RULES, OPTIONS):
        expected = reference(image)
        assert 0.01 < (expected[:, 0] >= 0.5).mean() < 0.9
        differences.append(((engine(image) >= 0.5) != (expected >= 0.5)).mean())
    assert np.mean(differences) < 0.005


def test_slices_are_those_of_training_patients_of_all_sources(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = Store(Path(config.store)), []
    images = Store.images
    monkeypatch.setattr(
        Store, "images", lambda *args: seen.append((args[1].name, args[2])) or images(*args)
    )
    first = list(calibration_slices(store, RULES, QuantizeOptions(12)))
    assert {name for name, _ in seen} == {"v0", "v1", "s0"}  # v2 validates
    assert sum(name == "s0" for name, _ in seen) == 6
    assert first[0].shape == (1, 1, 64, 64) and first[0].dtype == np.float32
    again = list(calibration_slices(store, RULES, QuantizeOptions(12)))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    places = seen[:12]
    list(calibration_slices(store, RULES, QuantizeOptions(12, seed=1)))
    assert seen[24:] != places


def test_a_store_that_trains_nothing(model: Path, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", "volumes") as writer:
        add(writer, small_chest(), "v", "validation")
    with pytest.raises(UsageError, match="no training scan to calibrate on"):
        quantize(model, tmp_path / "store")
    with pytest.raises(UsageError, match="at least 1 slice"):
        QuantizeOptions(slices=0)


def test_a_spoilt_network_is_not_published(
    model: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges that were calibrated on something else: everything saturates."""
    write = quantize_module.write_int8

    def on_air(main: Path, int8: Path, slices: list[np.ndarray]) -> None:
        write(main, int8, [np.zeros_like(slices[0])])

    before = {path.name: path.read_bytes() for path in model.iterdir()}
    monkeypatch.setattr(quantize_module, "write_int8", on_air)
    with pytest.raises(ModelError, match=r"labels only .*% of the calibration pixels as before"):
        quantize(model, Path(config.store), OPTIONS)
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_agreement_of_a_file_with_itself(plain: Path) -> None:
    slices = [np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)]
    assert check_agreement(plain / "model.onnx", plain / "model.onnx", slices) == 1


def test_an_ensemble_keeps_the_ends_of_each_member(tmp_path: Path) -> None:
    write_onnx(Probabilities([detector(), detector()]).eval(), tmp_path / "two.onnx")
    graph = onnx.load(tmp_path / "two.onnx").graph
    stay = [node.op_type for node in graph.node if node.name in float_nodes(graph)]
    assert stay.count("Conv") == 4 and stay.count("Sigmoid") == 2 and "Relu" not in stay


def test_export_makes_both(config: TrainConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = write_run(tmp_path / "run", detector(), config)
    spec = export_run(run, tmp_path / "model", ExportOptions(int8=True))
    assert set(spec.files) == {"main", "int8"}
    assert open_model(tmp_path / "model").file("int8").stat().st_size > 0
    elsewhere = ExportOptions(int8=True, calibration=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="nowhere is no training store"):
        export_run(run, tmp_path / "model", elsewhere)
    assert open_model(tmp_path / "model").spec.to_json() == spec.to_json()
    with pytest.raises(UsageError, match="add --int8"):
        replace(elsewhere, int8=False)
