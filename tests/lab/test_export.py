"""Export: the model folder computes what the run computes, in half the bytes, or isn't written."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import pleura
from pleura.errors import ModelError, UsageError
from pleura.infer.model_folder import open_model
from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine
from pleura.lab import checkpoint, onnx_file
from pleura.lab import export as export_module
from pleura.lab.config import DistillationOptions, NetworkOptions, TrainConfig
from pleura.lab.dataset import SamplingOptions
from pleura.lab.export import ExportOptions, export_run
from pleura.lab.network import ResUNet
from pleura.lab.onnx_file import rounded_to_half
from pleura.lab.trained import load_run
from pleura.model_spec import ModelSpec, Preprocessing
from pleura.preprocess import prepare
from pleura.volume import Volume
from tests.lab.tiny import as_json, band_detector
from tests.phantom import chest

pytestmark = pytest.mark.filterwarnings("error::UserWarning", "ignore::DeprecationWarning")
STATE = {"step": 40, "steps": 40, "best_dice": 0.75, "best_step": 40, "seconds": 9.0}
KEPT = {"data": {"a/train": 3, "b/validation": 1}, "split": "0123abcd"}
DICE = {"a": 0.7, "b": 0.8, "mean": 0.75}


def write_run(run, network, config, dice=None):
    """What `train` leaves behind, without training."""
    run.mkdir(parents=True)
    for name in ("best", "last"):
        checkpoint.save(run / f"{name}.safetensors", network, None, STATE)
    (run / "config.json").write_text(json.dumps({"config": as_json(config), **KEPT}))
    lines = [{"step": step, "dice": {"mean": 0.1}} for step in (10, 20)]
    lines.append({"step": 40, "dice": dice or DICE})
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def trained_like(network):
    """Random weights with norms as training leaves them, and logits of a few units."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            size = module.weight.shape
            module.running_mean += 0.1 * torch.randn(size, generator=generator)
            module.running_var *= 1 + torch.rand(size, generator=generator)
            module.weight.data *= 0.5 + 0.5 * torch.rand(size, generator=generator)
            module.bias.data += 0.1 * torch.randn(size, generator=generator)
    network.segmentation_head[0].weight.data *= 4
    return network.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run with three channels and its model folder."""
    torch.manual_seed(0)
    network = trained_like(ResUNet("resnet18", 1, 3))
    folder = tmp_path_factory.mktemp("export")
    rules = Preprocessing(window_hu=(-1000, 400), long_side=128)
    start = NetworkOptions(encoder_weights="/home/someone/weights.pth")
    config = TrainConfig(
        name="ours", store="/home/someone/store", preprocessing=rules, network=start,
        sampling=SamplingOptions(canvas=(128, 128)),
        distillation=DistillationOptions("/home/someone/runs/teacher", 0.25),
    )  # fmt: skip
    run = write_run(folder / "run", network, config)
    spec = export_run(run, folder / "model", ExportOptions(version="1.2.3"))
    return run, folder / "model", spec


@pytest.fixture
def model(exported, tmp_path):
    """A copy of the model folder that a test may spoil."""
    target = tmp_path / "model"
    target.mkdir()
    for path in exported[1].iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 192, 256), (3, 256, 224)])
def test_the_file_computes_what_torch_computes(exported, batch, height, width):
    run, folder, _ = exported
    member = load_run(run, "best")
    network = member.network
    assert (member.run, member.state) == (run, STATE)
    images = np.random.default_rng(1).random((batch, 1, height, width), dtype=np.float32)
    images[:, :, height // 4 : height // 2, width // 4 : width // 2] *= 0.2
    found = OnnxRuntimeEngine(folder / "model.onnx", 1)(images)
    assert found.shape == (batch, 3, height, width) and found.dtype == np.float32
    with torch.no_grad():
        expected = torch.sigmoid(rounded_to_half(network)(torch.from_numpy(images))).numpy()
        unrounded = torch.sigmoid(network(torch.from_numpy(images))).numpy()
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected) > 0.5  # not a network that says nothing
    assert np.abs(found - unrounded).mean() < 1e-3  # half precision costs little


def test_the_file_computes_what_torch_computes_on_a_scan(exported):
    run, folder, spec = exported
    network = load_run(run, "best").network
    phantom = chest((3, 128, 128), (100.0, 3.0, 3.0))
    (batch,) = prepare(Volume(phantom.hu, phantom.geometry), spec.preprocessing).batches(8)
    with torch.no_grad():
        expected = torch.sigmoid(rounded_to_half(network)(torch.from_numpy(batch))).numpy()
    found = OnnxRuntimeEngine(folder / "model.onnx", 1)(batch)
    assert np.abs(found - expected).max() < 1e-4


def test_kernels_are_float16_each_with_a_cast_and_the_rest_float32(exported):
    _, folder, _ = exported
    assert (folder / "model.onnx").stat().st_size <= 30_000_000
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    halves = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    kernels = [t for t in model.graph.initializer if len(t.dims) == 4]
    assert {t.name for t in kernels} == halves and len(halves) == 20 + 10 + 1
    casts = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type == "Cast"}
    assert set(casts) == halves
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert {node.input[1] for node in convolutions} == set(casts.values())
    # norms stay by themselves: folded into kernels they would lose bits
    assert sum(node.op_type == "BatchNormalization" for node in model.graph.node) == 20 + 10


def test_size_and_batch_are_free(exported):
    session = onnxruntime.InferenceSession(exported[1] / "model.onnx")
    (image,), (probabilities,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.shape) == ("image", ["batch", 1, "height", "width"])
    assert probabilities.name == "probabilities"
    assert probabilities.shape[0] == "batch"


def test_the_description_comes_back_from_its_file(exported):
    _, folder, spec = exported
    read = ModelSpec.from_file(folder / "model.json")
    assert read.to_json() == spec.to_json()
    assert (read.name, read.version) == ("ours", "1.2.3")
    assert read.channels == ("right", "left", "airways")
    assert read.preprocessing == Preprocessing(window_hu=(-1000, 400), long_side=128)
    assert read.architecture == {
        "name": "resunet", "encoder": "resnet18", "width": 1.0, "members": 1,
    }  # fmt: skip
    training = read.training
    assert (training["steps"], training["slices_seen"]) == (40, 40 * 14)
    assert training["validation"] == DICE and training["loss"] == "bce"
    assert {name: training[name] for name in KEPT} == KEPT
    assert training["config"]["network"]["encoder_weights"] == "weights.pth"
    assert training["config"]["distillation"] == {"teacher": "teacher", "share": 0.25}
    assert training["config"]["store"] == "store" and "folds" not in training
    assert "/home" not in (folder / "model.json").read_text()
    card = (folder / "README.md").read_text()
    assert "# ours 1.2.3" in card and "0.7500" in card and "not a medical device" in card
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "model.json", "model.onnx"]


def test_a_narrow_network_is_exported_as_such(tmp_path):
    torch.manual_seed(0)
    network = trained_like(ResUNet("resnet18", 1, 3, 0.25))
    config = TrainConfig(network=NetworkOptions(width=0.25))
    spec = export_run(write_run(tmp_path / "run", network, config), tmp_path / "model")
    assert spec.architecture["width"] == 0.25
    assert spec.training["config"]["distillation"]["teacher"] is None
    assert (tmp_path / "model" / "model.onnx").stat().st_size < 2.2e6  # a sixteenth of 28.7 MB
    images = np.random.default_rng(1).random((2, 1, 64, 64), dtype=np.float32)
    with torch.no_grad():
        expected = torch.sigmoid(rounded_to_half(network)(torch.from_numpy(images))).numpy()
    found = OnnxRuntimeEngine(tmp_path / "model" / "model.onnx", 1)(images)
    assert np.abs(found - expected).max() < 1e-4


def test_the_runtime_opens_it_and_notices_damage(exported, model):
    opened = open_model(model)
    assert opened.spec.to_json() == exported[2].to_json()
    OnnxRuntimeEngine(opened.file("main"), 1)
    data = bytearray((model / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (model / "model.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="checksum differs"):
        open_model(model).file("main")
    (model / "model.onnx").unlink()
    with pytest.raises(ModelError, match="lacks its 'main' network"):
        open_model(model).file("main")


def test_a_folder_that_is_no_model_is_left_alone(exported, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    file = tmp_path / "thesis.txt"
    for target in (tmp_path, file):
        with pytest.raises(UsageError, match="exists and is no model folder"):
            export_run(exported[0], target)
    assert file.read_text() == "mine" and list(tmp_path.iterdir()) == [file]


def fast_onnx(monkeypatch):
    """Spare the seconds of a real export where a test is about the folder."""
    monkeypatch.setattr(export_module, "write_onnx", lambda _, path: path.write_bytes(b"network"))
    monkeypatch.setattr(export_module, "check_parity", lambda *_: 0.0)


def test_an_older_model_is_replaced_with_its_own_card(exported, model, monkeypatch):
    fast_onnx(monkeypatch)
    (model / "stale.onnx").touch()
    spec = export_run(exported[0], model, ExportOptions(version="2.0.0", name="other"))
    assert (spec.name, spec.version) == ("other", "2.0.0")
    assert open_model(model).file("main").read_bytes() == b"network"
    assert "# other 2.0.0" in (model / "README.md").read_text()
    assert not (model / "stale.onnx").exists()


@pytest.mark.parametrize("description", [None, "damaged"])
def test_a_card_written_by_hand_is_kept(exported, model, monkeypatch, description):
    fast_onnx(monkeypatch)
    (model / "README.md").write_text("# My card\n")
    if description:
        (model / "model.json").write_text(description)
    export_run(exported[0], model, ExportOptions(version="2.0.0"))
    assert (model / "README.md").read_text() == "# My card\n"
    assert ModelSpec.from_file(model / "model.json").version == "2.0.0"


def test_an_empty_folder_is_filled(exported, tmp_path, monkeypatch):
    fast_onnx(monkeypatch)
    export_run(exported[0], tmp_path)
    assert open_model(tmp_path).spec.name == "ours"


def test_a_file_that_differs_from_torch_is_not_published(exported, model, monkeypatch):
    halve = onnx_file.halve_weights

    def spoilt(onnx_model):
        halve(onnx_model)
        head = next(t for t in onnx_model.graph.initializer if list(t.dims) == [3])
        bias = onnx.numpy_helper.to_array(head) + np.float32(0.01)
        head.CopyFrom(onnx.numpy_helper.from_array(bias, head.name))

    monkeypatch.setattr(onnx_file, "halve_weights", spoilt)
    before = (model / "model.onnx").read_bytes()
    with pytest.raises(ModelError, match=r"differs from torch by .*; export with the versions"):
        export_run(exported[0], model)
    assert (model / "model.onnx").read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_runs_that_can_not_be_exported(exported, tmp_path):
    target = tmp_path / "model"
    with pytest.raises(UsageError, match="no last checkpoint; train first"):
        export_run(tmp_path, target, ExportOptions(checkpoint="last"))
    with pytest.raises(UsageError, match="no best checkpoint; train first"):
        export_run(tmp_path, target)
    run = tmp_path / "run"
    run.mkdir()
    for name in ("best.safetensors", "last.safetensors"):
        (run / name).write_bytes((exported[0] / name).read_bytes())
    with pytest.raises(UsageError, match=r"no readable config\.json"):
        export_run(run, target)
    other = TrainConfig(network=NetworkOptions(channels=("lungs",)))
    (run / "config.json").write_text(json.dumps({"config": other.to_dict()}))
    with pytest.raises(UsageError, match="is no checkpoint of this network"):
        export_run(run, target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "2.0"}, r"version must be like 1\.2\.3, not '2\.0'"),
        ({"version": "../1.2.3"}, r"version must be like 1\.2\.3"),
        ({"version": "1.2.3\n"}, r"version must be like 1\.2\.3"),
        ({"name": ""}, "name must not be empty"),
        ({"name": "a/b"}, "name must not be empty nor have slashes"),
        ({"checkpoint": "first"}, "must be best or last, not 'first'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=message):
        ExportOptions(**options)
    assert ExportOptions("10.0.1-rc.1+cpu", "my lungs", "last").version == "10.0.1-rc.1+cpu"


def test_an_unfinished_run_is_exported_only_on_purpose(exported, tmp_path, monkeypatch):
    fast_onnx(monkeypatch)
    run = shutil.copytree(exported[0], tmp_path / "run")
    expected = r"isn't finished, so its best .* or take what there is by --checkpoint last\.$"
    network = load_run(run, "best").network
    checkpoint.save(run / "last.safetensors", network, None, {**STATE, "steps": 80})
    with pytest.raises(UsageError, match=expected):
        export_run(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    export_run(run, tmp_path / "model", ExportOptions(checkpoint="last"))
    (run / "last.safetensors").unlink()  # killed between the first best and the first last
    with pytest.raises(UsageError, match=expected):
        load_run(run, "best")


def test_a_run_from_before_the_split_was_kept_is_exported(exported, tmp_path, monkeypatch):
    fast_onnx(monkeypatch)
    run = shutil.copytree(exported[0], tmp_path / "run")
    record = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({"config": record["config"]}))
    assert not KEPT.keys() & export_run(run, tmp_path / "model").training.keys()


def test_a_run_without_the_checkpoint_s_line_is_refused(exported, tmp_path, monkeypatch):
    fast_onnx(monkeypatch)
    run = tmp_path / "run"
    run.mkdir()
    for path in exported[0].iterdir():
        (run / path.name).write_bytes(path.read_bytes())
    (run / "metrics.jsonl").write_text('{"step": 10, "dice": {"mean": 0.1}}\n')
    with pytest.raises(UsageError, match=r"metrics\.jsonl lacks the checkpoint's step 40"):
        export_run(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_one_channel_segments_into_merged_labels(tmp_path):
    config = TrainConfig(network=NetworkOptions(channels=("lungs",)))
    config = replace(config, preprocessing=Preprocessing(long_side=256))
    network = band_detector(ResUNet("resnet18", 1, 1), [(0.07, 0.4)])  # between air and tissue
    run = write_run(tmp_path / "run", network, config, dice={"mean": 0.0})
    spec = export_run(run, tmp_path / "model")
    assert spec.channels == ("lungs",)
    assert spec.training["validation"] == {}  # a mean of no source
    assert "not measured" in (tmp_path / "model" / "README.md").read_text()
    phantom = chest((8, 128, 128), (35.0, 3.0, 3.0))
    segmenter = pleura.Segmenter(tmp_path / "model", threads=1)
    result = segmenter.segment(Volume(phantom.hu, phantom.geometry))
    assert result.mask.labels == {1: "lungs"}
    assert set(result.volumes_ml) == {"total"}
    found, lungs = result.mask.array, np.isin(phantom.labels, (1, 2))
    assert set(np.unique(found)) == {0, 1}
    assert 2 * np.sum((found == 1) & lungs) / ((found == 1).sum() + lungs.sum()) > 0.9
