"""Validation: Dice of both lungs by scan, then source, and the loss over slices."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import dataclass, replace

import pytest
import torch

from pleura.lab.config import NetworkOptions, TrainConfig
from pleura.lab.network import ResUNet
from pleura.lab.store import Scan, Store
from pleura.lab.validate import lung_probability, validate
from pleura.lab.whole_scan import WholeScan, grid_of
from pleura.labels import CHANNEL_SETS
from pleura.model_spec import Preprocessing
from tests.lab.small_store import one_scan_store, training_store
from tests.phantom import chest

pytestmark = pytest.mark.usefixtures("narrow_network")
CPU = torch.device("cpu")
RULES = Preprocessing(long_side=64)
FP32 = TrainConfig(precision="fp32")


@dataclass(frozen=True, eq=False)
class Given:
    """A `WholeScan` whose pixels are given."""

    scan: Scan
    images: torch.Tensor
    targets: torch.Tensor

    def batches(self, size):
        return zip(self.images.split(size), self.targets.split(size), strict=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return training_store(tmp_path_factory.mktemp("store"))


class Painted(torch.nn.Module):
    """Gives the logits that were painted, whatever it sees."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, images):
        return self.logits.expand(len(images), *self.logits.shape)


def test_dice_by_scan_then_source(store):
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
        Given(scan, images, exact), Given(scan, images, half), Given(other, images, empty),
    ]  # fmt: skip
    scores = validate(Painted(logits), items, CPU, FP32).dice
    by_source = {scan.source: (1 + 2 * 8 / (16 + 8)) / 2, "other": 0.0}
    assert scores == pytest.approx({**by_source, "mean": sum(by_source.values()) / 2})
    silent = validate(Painted(-abs(logits)), items[2:], CPU, FP32).dice
    assert silent == {"other": 1.0, "mean": 1.0}
    nothing = validate(Painted(logits), [], CPU, FP32)
    assert (nothing.dice, nothing.loss) == ({"mean": 0.0}, 0.0)
    # right and left together make lung, though neither does alone
    doubtful = torch.full((3, 4, 4), -0.2)
    everywhere = Given(scan, images, torch.ones(2, 3, 4, 4))
    assert validate(Painted(doubtful), [everywhere], CPU, FP32).dice["mean"] == 1.0


@pytest.mark.parametrize("channels", CHANNEL_SETS)
def test_dice_of_every_channel_set_is_that_of_both_lungs(store, channels):
    logits = torch.full((len(channels), 4, 4), -9.0)
    logits[channels.index("right") if "right" in channels else 0, 0] = 9.0  # the first of 4 rows
    if "airways" in channels:
        logits[-1] = 9.0
    targets = torch.zeros(1, 3, 4, 4)
    targets[:, 0, 0], targets[:, 1, 1] = 1, 1
    config = replace(FP32, network=NetworkOptions(channels=channels))
    item = Given(store.scans[0], torch.zeros(1, 1, 4, 4), targets)
    assert validate(Painted(logits), [item], CPU, config).dice["mean"] == pytest.approx(2 * 4 / 12)


def test_lung_probability_is_either_side_s_or_the_one_channel_s():
    logits = torch.tensor([-1.0, 0.5, 3.0]).reshape(1, 3, 1, 1)

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    both = sigmoid(-1.0) + sigmoid(0.5)
    assert lung_probability(logits, ("right", "left", "airways")).item() == pytest.approx(both)
    first = lung_probability(logits[:, :2], ("lungs", "airways"))
    assert first.item() == pytest.approx(sigmoid(-1.0))


def test_the_loss_is_a_mean_over_slices_not_over_batches_or_scans(store):
    """17 slices go in batches of 16 and 1, beside a scan of 3."""
    scan = store.scans[1]
    lungs = replace(FP32, network=NetworkOptions(channels=("lungs",)))
    empty, full = torch.zeros(17, 3, 4, 4), torch.zeros(3, 3, 4, 4)
    empty[16, 0] = 1  # one slice of 17 is all lung
    full[:, 0] = 1
    items = [Given(scan, torch.zeros(len(targets), 1, 4, 4), targets) for targets in (empty, full)]
    loss = validate(Painted(torch.full((1, 4, 4), 2.0)), items, CPU, lungs).loss
    wrong, right = math.log(1 + math.exp(2.0)), math.log(1 + math.exp(-2.0))
    assert loss == pytest.approx((16 * wrong + 4 * right) / 20, rel=1e-5)


def test_it_changes_nothing_and_judges_scans_one_by_one(store):
    network = ResUNet().train()
    items = [WholeScan(store, s, RULES) for s in store.scans[1:3]]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    together = validate(network, items, CPU, FP32)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    alone = [validate(network.train(), [item], CPU, FP32) for item in items]
    assert together.dice["mean"] == pytest.approx(sum(a.dice["mean"] for a in alone) / 2)
    assert together.loss == pytest.approx(sum(a.loss for a in alone) / 2)


def test_a_long_scan_needs_no_more_memory_than_a_short_one(tmp_path):
    peaks = []
    for length in (32, 160):
        store = one_scan_store(tmp_path / str(length), chest((length, 64, 64), (3.0, 6.0, 6.0)))
        items = [WholeScan(store, store.scans[0], RULES)]
        tracemalloc.start()
        validate(Painted(torch.zeros(3, *grid_of(store.scans[0], RULES).shape)), items, CPU, FP32)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # As float32, a slice with its targets takes 64 KB; 128 more would take 8 MB.
    assert peaks[0] > 1e6 and peaks[1] - peaks[0] < 1e6
