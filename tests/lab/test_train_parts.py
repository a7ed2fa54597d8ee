"""The parts of a run: learning rate and validation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pleura.lab.config import OptimizerOptions
from pleura.lab.dataset import WholeScan, whole_scan
from pleura.lab.network import ResUNet
from pleura.lab.train import set_learning_rate, validate
from pleura.model_spec import Preprocessing
from tests.lab.small_store import training_store

CPU = torch.device("cpu")
RULES = Preprocessing(long_side=64)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return training_store(tmp_path_factory.mktemp("store"))


def test_the_learning_rate_warms_up_and_falls_to_its_final_share():
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    options = OptimizerOptions(learning_rate=1.0, warmup_steps=10, final_share=0.1)

    def rate(step):
        set_learning_rate(optimizer, options, step, 1000)
        return optimizer.param_groups[0]["lr"]

    assert rate(0) == pytest.approx(0.1)
    assert rate(4) == pytest.approx(0.5, abs=1e-3)
    assert rate(9) == pytest.approx(1.0, abs=1e-3)
    assert rate(500) == pytest.approx(0.55)
    assert rate(1000) == pytest.approx(0.1)
    rates = [rate(step) for step in range(10, 1000, 30)]
    assert rates == sorted(rates, reverse=True)


class Painted(torch.nn.Module):
    """Gives the logits that were painted into the images' first rows."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, images):
        return self.logits.expand(len(images), *self.logits.shape)


def test_validation_dice_by_scan_then_source(store):
    scan = store.scans[0]
    other = replace(scan, source="other")
    logits = torch.full((3, 4, 4), -9.0)
    logits[0, 0], logits[1, 1] = 9.0, 9.0  # a row each of right and left; airways don't count
    logits[2] = 9.0
    exact, half, empty = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    exact[:, 0, 0], exact[:, 1, 1] = 1, 1
    half[:, 0, 0] = 0.9
    images = torch.zeros(2, 1, 4, 4)
    items = [
        WholeScan(scan, images, exact), WholeScan(scan, images, half),
        WholeScan(other, images, empty),
    ]  # fmt: skip
    scores = validate(Painted(logits), items, CPU, "fp32")
    by_source = {scan.source: (1 + 2 * 8 / (16 + 8)) / 2, "other": 0.0}
    assert scores == pytest.approx({**by_source, "mean": sum(by_source.values()) / 2})
    silent = validate(Painted(-abs(logits)), items[2:], CPU, "fp32")
    assert silent == {"other": 1.0, "mean": 1.0}
    assert validate(Painted(logits), [], CPU, "fp32") == {"mean": 0.0}
    # right and left together make lung, though neither does alone
    doubtful = torch.full((3, 4, 4), -0.2)
    everywhere = WholeScan(scan, images, torch.ones(2, 3, 4, 4))
    assert validate(Painted(doubtful), [everywhere], CPU, "fp32")["mean"] == 1.0


def test_validation_changes_nothing_and_judges_scans_one_by_one(store):
    network = ResUNet().train()
    items = [whole_scan(store, s, RULES) for s in store.scans[1:3]]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    together = validate(network, items, CPU, "fp32")["mean"]
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    alone = [validate(network.train(), [item], CPU, "fp32")["mean"] for item in items]
    assert together == pytest.approx(sum(alone) / 2)
