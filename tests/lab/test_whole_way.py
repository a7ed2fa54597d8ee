"""From a config to a mask: what TOML asks for is what training, export and inference do."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from pleura import Geometry, Segmenter, SegmentOptions, UsageError, Volume
from pleura.lab import checkpoint
from pleura.lab.config import TrainConfig
from pleura.lab.export import export_run
from pleura.lab.store import StoreGrid
from pleura.lab.store_writer import StoreWriter
from pleura.lab.train import build_network, train
from pleura.labels import CHANNEL_SETS
from pleura.model_spec import ModelSpec, Preprocessing
from tests.lab.small_store import add, small_chest
from tests.lab.tiny import band_detector

pytestmark = pytest.mark.usefixtures("narrow_network")

TOML = """
name = "whole"
store = "{store}"
steps = 1
steps_per_epoch = 1
precision = "fp32"
postprocessing = "none"
augment = {{ enabled = false }}
sampling = {{ batch_size = 1, canvas = [64, 64] }}
[network]
channels = {channels}
[preprocessing]
long_side = 64
crop = "none"
window_hu = [-1000, 400]
stretch_hu = [-950, 100]
"""
# The network's input, (HU + 950) / 1050 cut to 0 and 1, of each structure of `scan`.
BANDS = {"right": (0.08, 0.3), "left": (0.3, 0.6), "lungs": (0.08, 0.6), "airways": (-1, 0.08)}


def scan():
    """Soft tissue with a right lung, a left lung and an airway, each of its own HU, and labels."""
    hu, labels = np.full((3, 64, 64), 40, np.int16), np.zeros((3, 64, 64), np.uint8)
    for label, value, y, x in ((1, -800, 16, 8), (2, -500, 16, 40), (3, -1000, 24, 28)):
        box = slice(0, 2), slice(y, y + (8 if label == 3 else 32)), slice(x, x + (6, 16)[label < 3])
        hu[box], labels[box] = value, label
    return Volume(hu, Geometry.from_parts(hu.shape, (10.0, 5.0, 5.0))), labels


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Channel set -> model folder: run from TOML, with weights by hand in the place of its own."""
    folder = tmp_path_factory.mktemp("whole")
    with StoreWriter(folder / "store", "volumes", StoreGrid(frame="whole")) as writer:
        add(writer, small_chest(), "a", "train")
    found = {}
    for channels in CHANNEL_SETS:
        run = folder / "-".join(channels)
        text = TOML.format(store=folder / "store", channels=list(channels))
        run.with_suffix(".toml").write_text(text)
        config = TrainConfig.from_toml(run.with_suffix(".toml"))
        state = train(config, run)
        network = band_detector(build_network(config), [BANDS[name] for name in channels])
        checkpoint.save(run / "best.safetensors", network, None, state)
        found[channels] = folder / f"model-{run.name}"
        export_run(run, found[channels])
    return found


@pytest.mark.parametrize("channels", CHANNEL_SETS)
def test_options_survive_the_whole_way(models, channels):
    spec = ModelSpec.from_file(models[channels] / "model.json")
    assert spec.channels == channels and spec.postprocessing == "none"
    assert spec.preprocessing == Preprocessing(
        (-1000, 400), "unit", 64, crop="none", stretch_hu=(-950, 100)
    )  # fmt: skip
    assert spec.training["config"]["augment"]["enabled"] is False


@pytest.mark.parametrize("airways", [False, True])
@pytest.mark.parametrize("channels", CHANNEL_SETS)
def test_labels_of_every_channel_set(models, channels, airways):
    (volume, labels), segmenter = scan(), Segmenter(models[channels], threads=1)
    options = SegmentOptions(airways=airways)
    if airways and "airways" not in channels:
        with pytest.raises(UsageError, match="knows no airways; leave them out"):
            segmenter.segment(volume, options)
        return
    mask = segmenter.segment(volume, options).mask
    lungs = {1: "right lung", 2: "left lung"} if "right" in channels else {1: "lungs"}
    assert mask.labels == {**lungs, **({3: "trachea and main bronchi"} if airways else {})}
    expected = labels.copy()
    if len(lungs) == 1:
        expected[labels == 2] = 1
    if not airways:
        expected[labels == 3] = 0
    np.testing.assert_array_equal(mask.array, expected)


@pytest.mark.parametrize("channels", CHANNEL_SETS)
def test_merged_lungs_are_the_sides_together(models, channels):
    (volume, labels), segmenter = scan(), Segmenter(models[channels], threads=1)
    merged = segmenter.segment(volume, SegmentOptions(merge=True)).mask
    assert merged.labels == {1: "lungs"}
    np.testing.assert_array_equal(merged.array, np.isin(labels, (1, 2)))


class Speckled:
    """A network's stand-in: one lung, a speck far away and a hole inside."""

    name, precision, device, threads = "speckled", "fp32", "cpu", 1

    def __call__(self, batch):
        out = np.zeros((len(batch), 1, *batch.shape[2:]), np.float32)
        out[:, 0, 20:44, 20:44] = 1
        out[:, 0, 30:34, 30:34] = 0
        out[0, 0, 2, 2] = 1
        return out


@pytest.mark.parametrize("kind", ["none", "lungs"])
def test_the_clean_up_is_skipped_on_request(models, tmp_path, kind):
    folder = shutil.copytree(models["lungs",], tmp_path / "model")
    data = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**data, "postprocessing": kind}))
    segmenter = Segmenter(folder, threads=1)
    segmenter.engine = Speckled()
    mask = segmenter.segment(scan()[0]).mask.array
    assert mask[0, 2, 2] == (kind == "none")  # a speck
    assert (mask[1, 2, 2], mask[1, 25, 25]) == (0, 1)
