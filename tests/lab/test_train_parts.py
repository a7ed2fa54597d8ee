"""What one step of a run computes: accumulation, averages, frozen norms, determinism, length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pleura.lab import train as train_module
from pleura.lab.config import NetworkOptions, OptimizerOptions
from pleura.lab.dataset import TrainingSlices
from pleura.lab.folds import training_and_validation
from pleura.lab.losses import loss_by_name, planes_of
from pleura.lab.store import Store
from pleura.lab.train import Length, build_network, deterministic, set_training, train
from tests.lab.tiny import assert_same_run

pytestmark = pytest.mark.usefixtures("narrow_network")
FROZEN = NetworkOptions(freeze_norm=True)


def weights_of(run, prefix="network."):
    tensors = load_file(run / "last.safetensors")
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def start_of(config):
    """The network as a run starts with it."""
    torch.manual_seed(config.seed)
    return build_network(config)


def slices_of(config, in_order=False):
    store = Store(Path(config.store))
    scans, _ = training_and_validation(store)
    return TrainingSlices(store, scans, config, in_order)


def test_accumulated_steps_are_those_of_a_loop_by_hand(config, tmp_path):
    config = replace(
        config, steps=2, steps_per_epoch=2, accumulate=2, network=FROZEN,
        sampling=replace(config.sampling, batch_size=3),
        optimizer=OptimizerOptions("sgd", 0.05, schedule="constant", warmup_steps=0),
    )  # fmt: skip
    train(config, tmp_path)
    network, slices, loss = start_of(config), slices_of(config), loss_by_name("bce")
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01
    )
    set_training(network, freeze_norm=True)
    for step in range(2):
        optimizer.zero_grad()
        total = 0.0
        for micro_batch in (2 * step, 2 * step + 1):
            images, targets, known = slices.draw(micro_batch)
            planes = planes_of(network(images), targets, known, config.network.channels)
            total = total + loss(planes) / 2
        total.backward()
        optimizer.step()
    start = start_of(config).state_dict()
    for name, tensor in weights_of(tmp_path).items():
        torch.testing.assert_close(tensor, network.state_dict()[name], atol=1e-6, rtol=1e-5)
        if name.endswith("conv1.weight"):
            assert (tensor - start[name]).abs().max() > 1e-4  # there was something to compute


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_norms_keep_their_statistics_and_learn_their_weights(config, tmp_path, freeze):
    options = NetworkOptions(freeze_norm=freeze)
    config = replace(config, steps=2, steps_per_epoch=1, network=options)
    train(config, tmp_path)  # the second epoch follows a validation
    start, end = start_of(config).state_dict(), weights_of(tmp_path)
    kept = [torch.equal(start[name], end[name]) for name in start if "running_" in name]
    assert all(kept) if freeze else not any(kept)
    assert end["encoder.bn1.num_batches_tracked"] == (0 if freeze else 2)
    assert not torch.equal(start["encoder.bn1.weight"], end["encoder.bn1.weight"])


def test_the_moving_average_is_validated_kept_and_saved(config, tmp_path, monkeypatch):
    """Weights after each step, averaged by hand."""
    save, weights, best = train_module.checkpoint.save, [], []

    def spy(path, network, *rest):
        (weights if path.name == "last.safetensors" else best).append(
            network.encoder.conv1.weight.detach().clone()
        )
        save(path, network, *rest)

    validated = []
    validate = train_module.validate

    def watched(network, *rest):
        validated.append(network.encoder.conv1.weight.detach().clone())
        return validate(network, *rest)

    monkeypatch.setattr(train_module.checkpoint, "save", spy)
    monkeypatch.setattr(train_module, "validate", watched)
    config = replace(config, steps=4, steps_per_epoch=1, ema=0.3)
    train(config, tmp_path)
    mean = start_of(config).encoder.conv1.weight.detach()
    assert len(weights) == 4
    for step, (new, seen) in enumerate(zip(weights, validated, strict=True), start=1):
        decay = (2 / 11, 3 / 12, 0.3, 0.3)[step - 1]
        mean = decay * mean + (1 - decay) * new
        torch.testing.assert_close(seen, mean, atol=1e-7, rtol=1e-5)
        assert not torch.equal(seen, new)
    assert all(any(torch.equal(kept, seen) for seen in validated) for kept in best)
    assert torch.equal(weights_of(tmp_path, "average.")["encoder.conv1.weight"], validated[-1])
    assert torch.equal(weights_of(tmp_path)["encoder.conv1.weight"], weights[-1])


def test_deterministic_runs_repeat_and_torch_is_left_as_it_was(config, tmp_path, monkeypatch):
    seen, validate = [], train_module.validate

    def watched(*arguments):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return validate(*arguments)

    monkeypatch.setattr(train_module, "validate", watched)
    short = replace(config, steps=2, steps_per_epoch=2, deterministic=True)
    for name in ("a", "b"):
        train(short, tmp_path / name)
        assert not torch.are_deterministic_algorithms_enabled()
    assert_same_run(tmp_path / "a", tmp_path / "b")
    train(replace(short, deterministic=False), tmp_path / "c")
    assert seen == [True, True, False]


def test_determinism_ends_with_an_error_too_and_never_weakens_the_caller_s_choice():
    with pytest.raises(KeyError), deterministic(True):
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with deterministic(False):
            assert torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("batch", "accumulate", "steps_per_epoch", "steps"),
    [(18, 1, 1, 3), (5, 1, 4, 12), (5, 2, 2, 6), (7, 2, 2, 5)],
)
def test_an_epoch_in_order_is_as_long_as_the_slices_are_many(
    config, batch, accumulate, steps_per_epoch, steps
):
    """Three training scans of six slices, three times; of 9 batches the last has a step alone."""
    config = replace(config, sampling=replace(config.sampling, batch_size=batch))
    config = replace(config, epochs=3, accumulate=accumulate)
    assert Length.of(config, slices_of(config)) == Length(steps, steps_per_epoch)
    drawn = replace(config, epochs=0)
    assert Length.of(drawn, slices_of(drawn)) == Length(config.steps, config.steps_per_epoch)
