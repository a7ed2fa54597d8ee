"""A run on a tiny store: it learns, resumes bit for bit, and keeps its best checkpoint."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from pleura.errors import UsageError
from pleura.lab import network as network_module
from pleura.lab import train as train_module
from pleura.lab.augment import AugmentOptions
from pleura.lab.checkpoint import read_state
from pleura.lab.config import NetworkOptions, OptimizerOptions, TrainConfig
from pleura.lab.dataset import SamplingOptions
from pleura.lab.network import ResUNet
from pleura.lab.store import StoreWriter
from pleura.lab.train import build_network, channels_of, train
from pleura.model_spec import Preprocessing
from tests.lab.small_store import add, small_chest, training_store

STEPS, EPOCH = 6, 3
CPU = torch.device("cpu")


class StoppedError(Exception):
    pass


class StopAfter:
    """A progress bar that raises once a step is done."""

    def __init__(self, step):
        self.step, self.messages = step, []

    def update(self, step, message):
        self.messages.append((step, message))
        if step == self.step:
            raise StoppedError


@pytest.fixture(scope="module", autouse=True)
def narrow_network():
    """The same network with few channels: 14 million numbers would take minutes here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, "ENCODER_CHANNELS", (64, 8, 8, 16, 16))
        patch.setattr(network_module, "DECODER_CHANNELS", (8, 8, 8, 8, 8))
        patch.setitem(network_module.ENCODER_DEPTHS, "resnet18", (1, 1, 1, 1))
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    store = tmp_path_factory.mktemp("train") / "store"
    training_store(store)
    return TrainConfig(
        name="tiny", store=str(store), seed=5, steps=STEPS, steps_per_epoch=EPOCH,
        precision="fp32", optimizer=OptimizerOptions(learning_rate=2e-3, warmup_steps=2),
        sampling=SamplingOptions(batch_size=2, canvas=(64, 64)),
        preprocessing=Preprocessing(long_side=64),
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(config, tmp_path_factory):
    run = tmp_path_factory.mktemp("train") / "unbroken"
    return run, train(config, run)


def metrics_of(run):
    """The lines of metrics.jsonl without the time, which never repeats."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def assert_same_run(run, other):
    for name in ("last", "best"):
        ours, theirs = (load_file(folder / f"{name}.safetensors") for folder in (run, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert metrics_of(run) == metrics_of(other)
    states = [read_state(folder / "last.safetensors") for folder in (run, other)]
    assert {**states[0], "seconds": 0} == {**states[1], "seconds": 0}


def test_a_run_learns(config, tmp_path):
    options = OptimizerOptions(learning_rate=1e-2, warmup_steps=5)
    train(replace(config, steps=80, steps_per_epoch=20, optimizer=options), tmp_path)
    metrics = metrics_of(tmp_path)
    losses, scores = ([m["loss"] for m in metrics], [m["dice"]["mean"] for m in metrics])
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.5 * losses[0]
    assert scores[-1] > 0.8


def test_each_epoch_is_logged(unbroken, config):
    run, state = unbroken
    first, second = metrics_of(run)
    assert (first["step"], second["step"]) == (EPOCH, STEPS)
    assert set(first["dice"]) == {"volumes", "mean"}
    assert second["learning_rate"] < first["learning_rate"]
    assert state["step"] == STEPS and state["seconds"] > 0
    assert state == read_state(run / "last.safetensors")
    assert sorted(path.name for path in run.iterdir()) == [
        "best.json", "best.safetensors", "config.json", "last.json", "last.safetensors",
        "metrics.jsonl",
    ]  # fmt: skip
    record = json.loads((run / "config.json").read_text())
    assert record["config"] == json.loads(json.dumps(config.to_dict()))
    assert record["versions"]["torch"] == torch.__version__ and record["threads"] >= 1
    assert record["data"] == {"slices/train": 1, "volumes/train": 2, "volumes/validation": 1}


@pytest.mark.parametrize("step", [EPOCH - 1, EPOCH + 1])
def test_a_run_interrupted_within_an_epoch_ends_as_the_unbroken_one(
    config, unbroken, tmp_path, step
):
    with pytest.raises(StoppedError):
        train(config, tmp_path, StopAfter(step))
    assert (tmp_path / "last.safetensors").exists() == (step > EPOCH)
    train(config, tmp_path)
    assert_same_run(tmp_path, unbroken[0])


def test_a_run_killed_while_it_logs_ends_as_the_unbroken_one(config, unbroken, tmp_path):
    """The line is there, or half of it, but not the checkpoint."""
    with pytest.raises(StoppedError):
        train(config, tmp_path, StopAfter(EPOCH + 1))
    whole = (unbroken[0] / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole + whole.splitlines()[-1][:40])
    train(config, tmp_path)
    assert_same_run(tmp_path, unbroken[0])


def test_a_checkpoint_is_never_without_its_line(config, tmp_path, monkeypatch):
    """Killed between the two writes of an epoch, a run must not lose the line."""
    save = train_module.checkpoint.save

    def killed(path, network, optimizer, state):
        if path.name == "last.safetensors":
            raise StoppedError
        save(path, network, optimizer, state)

    monkeypatch.setattr(train_module.checkpoint, "save", killed)
    with pytest.raises(StoppedError):
        train(replace(config, steps=1), tmp_path)
    assert [record["step"] for record in metrics_of(tmp_path)] == [1]


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


def test_a_config_that_can_not_run_leaves_no_run_folder(config, tmp_path):
    run = tmp_path / "run"
    for other in (
        replace(config, network=NetworkOptions("vgg")),
        replace(config, network=NetworkOptions(encoder_weights=str(tmp_path / "none.pth"))),
        replace(config, store=str(tmp_path / "nowhere")),
        replace(config, sampling=SamplingOptions(weights={"nowhere": 1.0})),
    ):
        with pytest.raises(UsageError):
            train(other, run)
        assert not run.exists()


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
        with train_module.autocast(CPU, precision):
            assert network(torch.zeros(1, 1, 32, 32)).dtype == dtype


def scripted_dice(monkeypatch, *values):
    """Replace validation by given means; returns the weights that were validated."""
    seen, script = [], iter(values)

    def scripted(network, *_):
        seen.append(network.encoder.conv1.weight.detach().clone())
        return {"mean": next(script)}

    monkeypatch.setattr(train_module, "validate", scripted)
    return seen


def test_the_best_checkpoint_is_by_validation_dice(config, tmp_path, monkeypatch):
    seen = scripted_dice(monkeypatch, 0.2, 0.7, 0.7)
    state = train(replace(config, steps=3, steps_per_epoch=1), tmp_path)
    assert (state["best_dice"], state["best_step"], state["step"]) == (0.7, 2, 3)
    assert [record["best"] for record in metrics_of(tmp_path)] == [True, True, False]
    best = load_file(tmp_path / "best.safetensors")
    assert torch.equal(best["network.encoder.conv1.weight"], seen[1])
    assert read_state(tmp_path / "best.safetensors")["step"] == 2
    assert not any(name.startswith("optimizer") for name in best)
    last = load_file(tmp_path / "last.safetensors")
    assert torch.equal(last["network.encoder.conv1.weight"], seen[2])


def test_without_validation_scans_the_last_epoch_is_the_best(config, tmp_path):
    with StoreWriter(tmp_path / "store", "all") as writer:
        add(writer, small_chest(), "a", "train")
    alone = replace(config, store=str(tmp_path / "store"), steps=2, steps_per_epoch=1)
    state = train(alone, tmp_path / "run")
    assert state["best_step"] == 2
    assert read_state(tmp_path / "run" / "best.safetensors")["step"] == 2


def test_progress_hears_of_steps_and_epochs(config, tmp_path, monkeypatch):
    scripted_dice(monkeypatch, 0.25)
    progress = StopAfter(None)
    train(replace(config, steps=2, steps_per_epoch=2), tmp_path, progress)
    assert [step for step, _ in progress.messages] == [1, 2, 2]
    assert progress.messages[0][1].startswith("loss ")
    assert progress.messages[2][1] == "validation Dice 0.2500"


def test_a_loss_without_a_number_stops_the_run(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        train_module, "loss_by_name", lambda _: lambda logits, *_: logits.sum() * math.nan
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


def test_one_channel_learns_the_union(config, tmp_path):
    single = replace(
        config, network=NetworkOptions(channels=("lungs",)), steps=1, steps_per_epoch=1
    )
    targets = torch.rand(2, 3, 4, 4)
    union = channels_of(targets, single)
    assert torch.equal(union[:, 0], (targets[:, 0] + targets[:, 1]).clamp(max=1))
    assert channels_of(targets, config) is targets
    train(single, tmp_path)
    assert load_file(tmp_path / "best.safetensors")["network.segmentation_head.0.bias"].numel() == 1
