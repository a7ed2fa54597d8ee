"""Checkpoints: exact, whole, and readable by name."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from torch import nn

from pleura.errors import OutputError, UsageError
from pleura.lab import checkpoint

STATE = {"step": 3, "best_dice": 0.123456789012345, "best_step": 2, "seconds": 1.5}


def make(seed, inputs=4):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(inputs, 3, 3), nn.BatchNorm2d(3))
    return network, torch.optim.AdamW(network.parameters(), lr=0.1)


def step(network, optimizer, inputs=4):
    network(torch.ones(2, inputs, 5, 5)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.fixture
def saved(tmp_path):
    network, optimizer = make(0)
    for _ in range(3):
        step(network, optimizer)
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, network, optimizer, STATE)
    return network, optimizer, path


def test_network_optimizer_and_state_come_back_exactly(saved):
    network, optimizer, path = saved
    other, other_optimizer = make(1)
    assert checkpoint.load(path, other, other_optimizer) == STATE
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    # ... so both go on alike
    step(network, optimizer), step(other, other_optimizer)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_moving_average_travels_beside_its_network(tmp_path):
    (network, _), (average, _), path = make(0), make(1), tmp_path / "last.safetensors"
    checkpoint.save(path, network, None, STATE, average)
    (other, _), (other_average, _) = make(2), make(3)
    checkpoint.load(path, other, average=other_average)
    assert torch.equal(other[0].weight, network[0].weight)
    assert torch.equal(other_average[0].weight, average[0].weight)
    assert not torch.equal(other[0].weight, other_average[0].weight)
    with safe_open(path, framework="pt") as file:
        assert {"network.0.weight", "average.0.weight", "average.1.running_var"} <= set(file.keys())
    checkpoint.save(path, network, None, STATE)
    with pytest.raises(UsageError, match="no checkpoint of this network"):
        checkpoint.load(path, other, average=other_average)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_other_optimizers_come_back_too(tmp_path, kind):
    options = {"momentum": 0.9, "nesterov": True} if kind is torch.optim.SGD else {}
    pairs = [(make(seed)[0], tmp_path / "a.safetensors") for seed in (0, 1)]
    optimizers = [kind(network.parameters(), lr=0.1, **options) for network, _ in pairs]
    (network, path), (other, _) = pairs
    step(network, optimizers[0])
    checkpoint.save(path, network, optimizers[0], STATE)
    checkpoint.load(path, other, optimizers[1])
    step(network, optimizers[0]), step(other, optimizers[1])
    assert torch.equal(network[0].weight, other[0].weight)


def test_channels_last_networks_are_saved_alike(tmp_path):
    network, _ = make(0)
    checkpoint.save(tmp_path / "a.safetensors", network, None, STATE)
    last = network.to(memory_format=torch.channels_last)
    checkpoint.save(tmp_path / "b.safetensors", last, None, STATE)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_the_format_stays(saved):
    """Literal names: a run of today must load tomorrow."""
    _, _, path = saved
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        assert json.loads(file.metadata()["state"]) == STATE
    assert {"network.0.weight", "network.1.running_var", "network.1.num_batches_tracked"} <= names
    assert {"optimizer.0.exp_avg", "optimizer.3.exp_avg_sq", "optimizer.2.step"} <= names


def test_the_state_is_readable_alone_and_beside(saved):
    _, _, path = saved
    assert checkpoint.read_state(path) == STATE
    assert json.loads(path.with_suffix(".json").read_text()) == STATE


def test_the_network_loads_without_its_optimizer(saved):
    network, _, path = saved
    other, _ = make(1)
    checkpoint.load(path, other)
    assert torch.equal(network[0].weight, other[0].weight)


def test_what_does_not_fit_is_refused_in_one_sentence(saved, tmp_path):
    _, _, path = saved

    def refused(file, network):
        with pytest.raises(UsageError, match="is no checkpoint of this network") as caught:
            checkpoint.load(file, network)
        assert "\n" not in str(caught.value) and str(file) in str(caught.value)
        return str(caught.value)

    assert "size mismatch" in refused(path, make(0, inputs=2)[0])
    refused(tmp_path / "missing.safetensors", make(0)[0])
    for data in (b"", b"garbage" * 50, path.read_bytes()[:-8]):
        (tmp_path / "bad.safetensors").write_bytes(data)
        refused(tmp_path / "bad.safetensors", make(0)[0])


def test_it_is_on_disk_before_it_takes_the_older_one_s_place(saved, monkeypatch):
    network, optimizer, path = saved
    done, sync, move = [], checkpoint.os.fsync, checkpoint.os.replace
    monkeypatch.setattr(checkpoint.os, "fsync", lambda fd: (done.append("sync"), sync(fd)))
    monkeypatch.setattr(checkpoint.os, "replace", lambda *a: (done.append(a[1]), move(*a)))
    checkpoint.save(path, network, optimizer, STATE)
    assert done == ["sync", path, "sync", path.with_suffix(".json")]


def test_a_state_that_can_not_be_written_is_an_output_error(saved, monkeypatch):
    network, optimizer, path = saved
    before = path.with_suffix(".json").read_bytes()
    move = checkpoint.os.replace

    def full(source, target):
        if target.suffix == ".json":
            raise OSError(28, "No space left on device")
        move(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", full)
    with pytest.raises(OutputError, match=r"No space left on device\); free space and start again"):
        checkpoint.save(path, network, optimizer, {**STATE, "step": 9})
    assert path.with_suffix(".json").read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["last.json", "last.safetensors"]


def test_a_damaged_state_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"garbage" * 50)
    for name in ("bad", "missing"):
        with pytest.raises(UsageError, match=rf"{name}\.safetensors is no readable checkpoint"):
            checkpoint.read_state(tmp_path / f"{name}.safetensors")


def test_a_full_disk_keeps_the_older_checkpoint(saved, monkeypatch):
    network, optimizer, path = saved
    before = path.read_bytes()

    def full(tensors, partial, metadata):
        partial.write_bytes(b"half of it")
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        checkpoint.save(path, network, optimizer, STATE)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["last.json", "last.safetensors"]
