"""A run on a tiny store: it learns, is logged, keeps its best checkpoint and knows when to stop."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pleura.errors import UsageError
from pleura.lab import export
from pleura.lab import train as train_module
from pleura.lab.augment import AugmentOptions
from pleura.lab.checkpoint import read_state
from pleura.lab.config import DistillationOptions, NetworkOptions, OptimizerOptions
from pleura.lab.folds import training_and_validation
from pleura.lab.network import ResUNet
from pleura.lab.store import Store, StoreGrid
from pleura.lab.store_writer import StoreWriter
from pleura.lab.train import build_network, train
from pleura.lab.validate import Validation, autocast
from pleura.model_spec import Preprocessing
from tests.lab.small_store import add, small_chest
from tests.lab.tiny import EPOCH, STEPS, StopAfter, as_json, assert_same_run, metrics_of

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture(scope="module")
def unbroken(config, tmp_path_factory):
    run = tmp_path_factory.mktemp("train") / "unbroken"
    return run, train(config, run)


def test_a_run_learns(config, tmp_path):
    options = OptimizerOptions(learning_rate=1e-2, warmup_steps=5)
    train(replace(config, steps=80, steps_per_epoch=20, optimizer=options), tmp_path)
    metrics = metrics_of(tmp_path)
    losses, scores = ([m["loss"] for m in metrics], [m["dice"]["mean"] for m in metrics])
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.5 * losses[0]
    assert scores[-1] > 0.8
    assert metrics[-1]["validation_loss"] < metrics[0]["validation_loss"]


def test_each_epoch_is_logged(unbroken, config):
    run, state = unbroken
    first, second = metrics_of(run)
    assert (first["step"], second["step"]) == (EPOCH, STEPS)
    assert set(first["dice"]) == {"volumes", "mean"}
    assert second["learning_rate"] < first["learning_rate"]
    assert state["step"] == state["steps"] == STEPS and state["seconds"] > 0
    assert state == read_state(run / "last.safetensors")
    best = next(line for line in (first, second) if line["step"] == state["best_step"])
    assert (best["dice"]["mean"], best["validation_loss"]) == (
        state["best_dice"],
        state["best_loss"],
    )
    assert sorted(path.name for path in run.iterdir()) == [
        "best.json", "best.safetensors", "config.json", "cost.json", "last.json",
        "last.safetensors", "metrics.jsonl",
    ]  # fmt: skip
    record = json.loads((run / "config.json").read_text())
    assert record["config"] == as_json(config)
    assert record["versions"]["torch"] == torch.__version__ and record["threads"] >= 1
    assert record["data"] == {"slices/train": 1, "volumes/train": 2, "volumes/validation": 1}


def test_a_finished_run_is_not_trained_further(config, unbroken, monkeypatch):
    monkeypatch.setattr(train_module, "validate", None)  # any epoch would call it
    run, state = unbroken
    before = (run / "last.safetensors").read_bytes()
    assert train(config, run) == state
    assert (run / "last.safetensors").read_bytes() == before


def test_another_config_needs_another_folder(config, unbroken):
    for other in (replace(config, seed=6), replace(config, augment=AugmentOptions(zoom=0.1))):
        with pytest.raises(UsageError, match="run of another config; name another run folder"):
            train(other, unbroken[0])


def test_another_split_needs_another_folder(config, tmp_path):
    """Here the scan that validated trains, under the same config."""
    short = replace(config, store=str(tmp_path / "store"), steps=1, steps_per_epoch=1)
    run = tmp_path / "run"
    for roles in (("train", "validation"), ("train", "validation"), ("train", "train")):
        with StoreWriter(tmp_path / "store", "volumes") as writer:
            for number, role in enumerate(roles):
                add(writer, small_chest(number), f"v{number}", role)
        if roles[1] == "train":
            with pytest.raises(UsageError, match=r"another split of .*store; name another run"):
                train(short, run)
        else:
            train(short, run)  # prepared again, but alike


def test_a_config_that_can_not_run_leaves_no_run_folder(config, tmp_path):
    run = tmp_path / "run"
    for other in (
        replace(config, network=NetworkOptions(encoder_weights=str(tmp_path / "none.pth"))),
        replace(config, store=str(tmp_path / "nowhere")),
        replace(config, sampling=replace(config.sampling, weights={"nowhere": 1.0})),
        replace(config, folds=5),
        replace(config, distillation=DistillationOptions(str(tmp_path / "no_run"))),
        replace(config, preprocessing=Preprocessing(crop="none", long_side=64)),
    ):
        with pytest.raises(UsageError):
            train(other, run)
        assert not run.exists()


def test_validation_slices_that_the_store_lacks_are_noticed_before_training(config, tmp_path):
    whole = StoreGrid(frame="whole")
    for name, role, grid in (("a", "train", whole), ("b", "validation", None)):
        with StoreWriter(tmp_path / "store", name, grid) as writer:
            add(writer, small_chest(), name, role)
    rules = Preprocessing(crop="none", long_side=64)
    other = replace(config, store=str(tmp_path / "store"), preprocessing=rules)
    with pytest.raises(UsageError, match="the store kept only the body of 'b'"):
        train(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_bf16_runs_of_one_seed_are_equal_and_another_seed_differs(config, tmp_path):
    short = replace(config, precision="bf16", steps=2, steps_per_epoch=2)
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        train(replace(short, seed=seed), tmp_path / name)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    a, c = (metrics_of(tmp_path / name)[0] for name in ("a", "c"))
    assert a["loss"] != c["loss"] and math.isfinite(a["loss"])
    weights = load_file(tmp_path / "a" / "last.safetensors")
    assert weights["network.encoder.conv1.weight"].dtype == torch.float32


def test_bf16_is_really_used(config):
    network = build_network(config).eval()
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with autocast(torch.device("cpu"), precision):
            assert network(torch.zeros(1, 1, 32, 32)).dtype == dtype


def scripted_validation(monkeypatch, *values):
    """Replace validation by given (Dice, loss); returns the weights that were validated."""
    seen, script = [], iter(values)

    def scripted(network, *_):
        seen.append(network.encoder.conv1.weight.detach().clone())
        dice, loss = next(script)
        return Validation({"mean": dice}, loss)

    monkeypatch.setattr(train_module, "validate", scripted)
    return seen


def epochs_of_one_step(config, epochs, **changes):
    return replace(config, steps=epochs, steps_per_epoch=1, **changes)


def test_the_best_checkpoint_is_by_validation_dice(config, tmp_path, monkeypatch):
    seen = scripted_validation(monkeypatch, (0.2, 3.0), (0.7, 2.0), (0.7, 1.0))
    state = train(epochs_of_one_step(config, 3), tmp_path)
    assert (state["best_dice"], state["best_step"], state["step"]) == (0.7, 2, 3)
    assert [record["best"] for record in metrics_of(tmp_path)] == [True, True, False]
    best = load_file(tmp_path / "best.safetensors")
    assert torch.equal(best["network.encoder.conv1.weight"], seen[1])
    assert read_state(tmp_path / "best.safetensors")["step"] == 2
    assert not any(name.startswith("optimizer") for name in best)
    last = load_file(tmp_path / "last.safetensors")
    assert torch.equal(last["network.encoder.conv1.weight"], seen[2])


@pytest.mark.parametrize(("best_by", "step"), [("dice", 3), ("loss", 2)])
def test_the_best_epoch_is_another_by_dice_than_by_loss(
    config, tmp_path, monkeypatch, best_by, step
):
    script = (0.5, 0.9), (0.4, 0.1), (0.6, 0.5), (0.6, 0.1)
    seen = scripted_validation(monkeypatch, *script)
    state = train(epochs_of_one_step(config, 4, best_by=best_by), tmp_path)
    assert state["best_step"] == step
    assert (state["best_dice"], state["best_loss"]) == script[step - 1]
    best = load_file(tmp_path / "best.safetensors")
    assert torch.equal(best["network.encoder.conv1.weight"], seen[step - 1])


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_a_loss_without_a_number_is_no_best_one(config, tmp_path, monkeypatch, lost):
    scripted_validation(monkeypatch, (0.5, lost), (0.4, 0.9), (0.6, lost), (0.6, 1.0))
    state = train(epochs_of_one_step(config, 4, best_by="loss"), tmp_path)
    assert (state["best_step"], state["best_loss"]) == (2, 0.9)


def test_training_stops_when_it_gets_no_better_and_stays_stopped(config, tmp_path, monkeypatch):
    patient = replace(config, steps=20, steps_per_epoch=2, patience=2)
    seen = scripted_validation(monkeypatch, *((d, 1.0) for d in (0.5, 0.4, 0.6, 0.6, 0.5)))
    state = train(patient, tmp_path)
    assert (state["step"], state["best_step"], len(seen)) == (10, 6, 5)
    assert train(patient, tmp_path) == state  # one more epoch would ask the script in vain
    assert [line["step"] for line in metrics_of(tmp_path)] == [2, 4, 6, 8, 10]


def test_without_validation_scans_the_last_epoch_is_the_best(config, tmp_path):
    with StoreWriter(tmp_path / "store", "all") as writer:
        add(writer, small_chest(), "a", "train")
    alone = epochs_of_one_step(config, 2, store=str(tmp_path / "store"))
    run, progress = tmp_path / "run", StopAfter(None)
    state = train(alone, run, progress)
    assert (state["best_step"], state["best_dice"], state["best_loss"]) == (2, None, None)
    assert progress.messages[-1][2] == "no validation scans: the last checkpoint is kept"
    assert read_state(run / "best.safetensors")["step"] == 2
    assert train(alone, run) == state
    assert export.training_record(export.load_members(run, "best"))["validation"] == {}
    for change, key in (({"patience": 1}, "patience"), ({"best_by": "loss"}, "best_by")):
        with pytest.raises(UsageError, match=f"^{key}.* needs validation scans, but .* has none"):
            train(replace(alone, **change), tmp_path / "other")
        assert not (tmp_path / "other").exists()


def test_progress_hears_of_steps_and_epochs(config, tmp_path, monkeypatch):
    scripted_validation(monkeypatch, (0.25, 1.0))
    progress = StopAfter(None)
    train(replace(config, steps=2, steps_per_epoch=2), tmp_path, progress)
    assert [(step, steps) for step, steps, _ in progress.messages] == [(1, 2), (2, 2), (2, 2)]
    assert progress.messages[0][2].startswith("loss ")
    assert progress.messages[2][2] == "validation Dice 0.2500"


def test_a_loss_without_a_number_stops_the_run(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        train_module, "loss_by_name", lambda _: lambda planes: planes.logits.sum() * math.nan
    )
    with pytest.raises(UsageError, match="became nan at step 0; lower the learning rate"):
        train(config, tmp_path)


def test_start_weights_come_from_a_file(config, tmp_path):
    torch.manual_seed(3)
    encoder = ResUNet("resnet18", 1, 1).encoder.state_dict()
    torch.save(encoder, tmp_path / "encoder.pth")
    options = NetworkOptions(channels=("lungs",), encoder_weights=str(tmp_path / "encoder.pth"))
    network = build_network(replace(config, network=options))
    assert torch.equal(network.encoder.conv1.weight, encoder["conv1.weight"])
    assert network.segmentation_head[0].out_channels == 1


@pytest.mark.parametrize("channels", [("right", "left"), ("lungs",), ("lungs", "airways")])
def test_the_head_has_the_config_s_channels(config, tmp_path, channels):
    train(epochs_of_one_step(config, 1, network=NetworkOptions(channels=channels)), tmp_path)
    weights = load_file(tmp_path / "best.safetensors")
    assert len(weights["network.segmentation_head.0.bias"]) == len(channels)


def test_a_fold_s_patients_validate(config, tmp_path):
    """Without folds it is v2 alone; the scan of the other source validates in one of three."""
    store, sources = Store(Path(config.store)), []
    for fold in range(3):
        run = tmp_path / str(fold)
        train(epochs_of_one_step(config, 1, folds=3, fold=fold), run)
        sources.append(set(metrics_of(run)[0]["dice"]) - {"mean"})
        _, validation = training_and_validation(store, 3, fold)
        assert sources[-1] == {scan.source for scan in validation}
    assert sum("slices" in found for found in sources) == 1
