"""Each run predicts the scans that it held out, and a label that is wrong comes out first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pleura.errors import UsageError
from pleura.lab import held_out as module
from pleura.lab.cross_validation import train_folds
from pleura.lab.folds import training_and_validation
from pleura.lab.held_out import disagreements, held_out, members_of
from pleura.lab.label_check import ranked
from pleura.lab.label_pictures import write_page
from pleura.lab.network import ResUNet
from pleura.lab.store import Store
from pleura.lab.store_writer import StoreWriter
from pleura.lab.worst_slices import WorstSlices
from pleura.labels import CHANNELS
from pleura.volume import Volume
from tests.lab.small_store import add, occupancy_of, small_chest
from tests.lab.tiny import tiny_config

pytestmark = pytest.mark.usefixtures("narrow_network")

WRONG = "v3"  # of which the labels miss half a lung


class Quiet:
    def __call__(self, _):
        return self

    def update(self, *_):
        pass


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """Store, config and run of two folds over seven scans; one that tests."""
    folder = tmp_path_factory.mktemp("checked")
    with StoreWriter(folder / "store", "volumes") as writer:
        for seed in range(7):
            name, phantom = f"v{seed}", small_chest(seed)
            if name != WRONG:
                add(writer, phantom, name, "train")
                continue
            occupancy = occupancy_of(phantom)
            occupancy[0, :, :32] = False
            volume = Volume(phantom.hu, phantom.geometry)
            writer.add(volume, occupancy, CHANNELS, name, name, "train")
        add(writer, small_chest(9), "tested", "test")
    config = tiny_config(folder / "store", folds=2, steps=1, steps_per_epoch=1)
    train_folds(config, folder / "run", Quiet())
    return folder / "store", config, folder / "run"


@pytest.fixture
def oracle(folds, monkeypatch):
    """Networks that know the true lungs: by HU, with sides by the middle of the picture."""

    def forward(self, images):
        hu = images[:, 0] * 1624 - 1024
        lung = (abs(hu + 830) < 90).float()
        right = torch.arange(hu.shape[2]) < hu.shape[2] / 2
        return torch.stack([lung * right, lung * ~right, 0 * lung], dim=1) * 40 - 20

    monkeypatch.setattr(ResUNet, "forward", forward)


def test_every_scan_is_predicted_once_by_the_run_that_did_not_see_it(folds):
    store, _, run = folds
    assert members_of([run]) == [run / "fold0", run / "fold1"]
    names = []
    for number in range(2):
        trained, _ = training_and_validation(Store(store), 2, number)
        found = [item.scan.name for item in held_out(run / f"fold{number}")]
        assert found and not set(found) & {scan.name for scan in trained}
        names += found
    assert sorted(names) == [f"v{n}" for n in range(7)]  # never the one that tests


def test_the_wrong_label_comes_first_with_its_picture(folds, oracle, tmp_path):
    pictures = WorstSlices()
    rows = ranked(disagreements([folds[2]], look=pictures))
    assert rows[0].name == WRONG and rows[0].suspicious and rows[0].sides_dice < 0.7
    assert [row.name for row in rows if row.suspicious] == [WRONG]
    assert len(rows) == len(pictures.pngs) == 7
    write_page(rows[:2], pictures.pngs, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text.count("data:image/png;base64,") == 2 and f"volumes {WRONG}, slice" in text
    assert "keep this page where the scans are" in text


def test_prediction_and_labels_lie_on_one_grid(folds, oracle):
    item = next(i for i in held_out(folds[2] / "fold0") if i.scan.name != WRONG)
    predicted = item.predicted()
    assert predicted.found.shape == predicted.labelled.shape
    np.testing.assert_array_equal(predicted.found[0], predicted.found[1] | predicted.found[2])
    assert predicted.disagreement(item.scan).dice > 0.8  # the skin's edge has a lung's HU, too


def test_runs_without_folds_are_checked_by_their_validation_scans(config, teacher):
    assert members_of([teacher]) == [teacher]
    assert [item.scan.name for item in held_out(teacher)] == ["v2"]


def test_what_can_not_be_held_out_is_refused(folds, config, teacher, tmp_path, monkeypatch):
    store, _, run = folds
    with pytest.raises(UsageError, match="has no best checkpoint; train first"):
        list(disagreements([tmp_path]))
    with pytest.raises(UsageError, match="was trained on another split of"):
        held_out(teacher, store)
    monkeypatch.setattr(module, "training_and_validation", lambda *_: ([], []))
    with pytest.raises(UsageError, match="held no scan out; train it with folds"):
        held_out(run / "fold0")


def test_a_store_that_was_moved_is_named(folds, tmp_path):
    store, _, run = folds
    moved = tmp_path / "moved"
    moved.symlink_to(store)
    assert held_out(run / "fold0", moved)[0].store.path == moved
