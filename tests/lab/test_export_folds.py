"""A run with folds becomes one model: the mean of its members' probabilities."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from pleura.errors import UsageError
from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine
from pleura.lab import export as export_module
from pleura.lab.cross_validation import fold_runs, train_folds
from pleura.lab.export import ExportOptions, export_run, load_members
from pleura.lab.onnx_file import rounded_to_half
from pleura.lab.trained import load_run
from pleura.model_spec import ModelSpec
from tests.lab.tiny import StopAfter, as_json, metrics_of

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture(scope="module")
def folds(config, tmp_path_factory):
    """The run of a config with three folds; the one scan of `slices` validates in one of them."""
    config = replace(config, folds=3, steps=1, steps_per_epoch=1)
    run = tmp_path_factory.mktemp("folds") / "run"
    train_folds(config, run, lambda _: StopAfter(None))
    return config, run


@pytest.fixture
def copy(folds, tmp_path):
    """A copy of the run that a test may spoil."""
    return shutil.copytree(folds[1], tmp_path / "run")


@pytest.fixture
def fast(monkeypatch):
    """Spare the seconds of a real export."""
    monkeypatch.setattr(export_module, "write_onnx", lambda _, path: path.write_bytes(b"network"))
    monkeypatch.setattr(export_module, "check_parity", lambda *_: 0.0)


def test_the_model_gives_the_mean_of_its_members(folds, tmp_path):
    spec = export_run(folds[1], tmp_path / "model")
    assert spec.architecture["members"] == 3
    assert ModelSpec.from_file(tmp_path / "model" / "model.json").to_json() == spec.to_json()
    images = np.random.default_rng(1).random((2, 1, 96, 64), dtype=np.float32)
    alone = []
    for path in fold_runs(folds[1]):
        network = rounded_to_half(load_run(path, "best").network)
        with torch.no_grad():
            alone.append(torch.sigmoid(network(torch.from_numpy(images))).numpy())
    assert np.abs(alone[0] - alone[1]).max() > 1e-3 < np.abs(alone[0] - alone[2]).max()
    found = OnnxRuntimeEngine(tmp_path / "model" / "model.onnx", 1)(images)
    assert np.abs(found - np.mean(alone, axis=0)).max() < 1e-5


def test_the_record_tells_of_all_folds(folds, tmp_path, fast):
    """A source that one fold alone validated has that fold's score."""
    config, run = folds
    training = export_run(run, tmp_path / "model").training
    dice = [metrics_of(path)[0]["dice"] for path in fold_runs(run)]
    assert training["folds"] == dice
    assert sum("slices" in scores for scores in dice) == 1
    for name in ("volumes", "slices", "mean"):
        expected = np.mean([scores[name] for scores in dice if name in scores])
        assert training["validation"][name] == pytest.approx(expected)
    assert training["slices_seen"] == 3 * config.sampling.batch_size


def test_one_fold_can_be_exported_alone(folds, tmp_path, fast):
    spec = export_run(folds[1] / "fold1", tmp_path / "model")
    assert spec.architecture["members"] == 1 and "folds" not in spec.training


def test_incomplete_folds_are_refused(copy, tmp_path):
    (copy / "fold1" / "best.safetensors").unlink()
    with pytest.raises(UsageError, match=r"fold1 has no best checkpoint; train first"):
        export_run(copy, tmp_path / "model")
    shutil.rmtree(copy / "fold1")
    (copy / "fold2" / "last.safetensors").unlink()  # unfinished, but that isn't what to say first
    for which in ("best", "last"):
        with pytest.raises(UsageError, match=r"has 2 of 3 folds; train the others before the exp"):
            export_run(copy, tmp_path / "model", ExportOptions(checkpoint=which))
    assert not (tmp_path / "model").exists()


def test_unfinished_folds_are_refused(copy, tmp_path):
    (copy / "fold1" / "last.safetensors").unlink()
    with pytest.raises(UsageError, match=r"fold1 isn't finished, .* --checkpoint last"):
        export_run(copy, tmp_path / "model")


def test_folds_of_different_splits_are_refused(copy):
    path = copy / "fold2" / "config.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "split": "another"}))
    with pytest.raises(UsageError, match="different splits; train them again alike"):
        load_members(copy, "best")
    path.write_text(json.dumps({"config": record["config"]}))  # an older one doesn't say
    assert len(load_members(copy, "best")) == 3


def test_folds_of_different_configs_are_refused(folds, copy):
    other = {"config": as_json(replace(folds[0], fold=2, loss="dice"))}
    (copy / "fold2" / "config.json").write_text(json.dumps(other))
    with pytest.raises(UsageError, match="different configs; train them again alike"):
        load_members(copy, "best")
