"""Configs: the shipped one, and every way to get one wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pleura.errors import UsageError
from pleura.lab.augment import AugmentOptions
from pleura.lab.config import NetworkOptions, TrainConfig, from_table
from pleura.lab.dataset import SamplingOptions
from pleura.labels import CHANNELS
from pleura.model_spec import Preprocessing
from tests.conftest import ROOT


@pytest.fixture
def toml(tmp_path):
    def write(text):
        (tmp_path / "config.toml").write_text(text)
        return tmp_path / "config.toml"

    return write


def test_the_shipped_config():
    config = TrainConfig.from_toml(ROOT / "configs" / "resunet18.toml")
    assert (config.name, config.loss, config.seed) == ("lungs", "bce", 1)
    assert config.network == NetworkOptions("resnet18", CHANNELS, None)
    assert config.sampling.canvas == (224, 256) and config.sampling.batch_size == 14
    assert sum(config.sampling.weights.values()) == pytest.approx(1)
    assert config.preprocessing == Preprocessing()
    assert config.augment == AugmentOptions()


def test_every_toml_in_configs_loads():
    for path in (ROOT / "configs").glob("resunet*.toml"):
        TrainConfig.from_toml(path)


def test_tables_keep_defaults_that_they_do_not_name(toml):
    path = toml("steps = 7\n[augment]\nzoom = 0\n[sampling]\nweights = {a = 1}\n")
    config = TrainConfig.from_toml(path)
    assert config == replace(
        TrainConfig(), steps=7, augment=AugmentOptions(zoom=0),
        sampling=SamplingOptions(weights={"a": 1}),
    )  # fmt: skip
    assert TrainConfig.from_toml(toml("")) == TrainConfig()


def test_a_config_survives_json():
    config = replace(
        TrainConfig(), network=NetworkOptions("resnet34", ("lungs",), "weights.pth"),
        sampling=SamplingOptions(3, (64, 32), {"a": 0.5}),
        preprocessing=Preprocessing(window_hu=(-1000, 400), long_side=64),
    )  # fmt: skip
    assert from_table(TrainConfig, json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", r"unknown stepz; known are name, store, seed, steps"),
        ("[augment]\nzooom = 1", r"unknown augment\.zooom; known are zoom, rotation_deg"),
        ("augment = 3", r"augment must be a table"),
        ("steps = 'many'", r"steps can't be 'many'; it must be like 2500"),
        ("steps = 2.5", r"steps can't be 2\.5"),
        ("steps = true", r"steps can't be True"),
        ("name = 1", r"name can't be 1; it must be like 'lungs'"),
        ("[optimizer]\nlearning_rate = '1e-3'", r"optimizer\.learning_rate can't be '1e-3'"),
        ("[augment]\nzoom = true", r"augment\.zoom can't be True"),
        ("[sampling]\ncanvas = [64, 'b']", r"sampling\.canvas can't be \[64, 'b'\]"),
        ("[sampling]\ncanvas = 64", r"sampling\.canvas can't be 64"),
        ("[sampling]\ncanvas = [64]", r"sampling\.canvas must be two multiples of 32"),
        ("[sampling]\ncanvas = [64, 80]", r"sampling\.canvas must be two multiples of 32"),
        ("[sampling]\ncanvas = [0, 32]", r"sampling\.canvas must be two multiples of 32"),
        ("[sampling]\nbatch_size = 0", r"sampling\.batch_size must be at least 1"),
        ("[sampling]\nempty_share = 1.5", r"sampling\.empty_share must lie between 0 and 1"),
        ("steps = 0", r"steps must be at least 1"),
        ("steps_per_epoch = 0", r"steps_per_epoch must be at least 1"),
        ("loss = 'l2'", r"loss must be one of bce"),
        ("precision = 'fp16'", r"precision must be one of bf16, fp32"),
        ("[network]\nchannels = ['lungs', 'airways']", r"network\.channels must be .* \['lungs'\]"),
        ("[preprocessing]\nmultiple = 16", r"preprocessing\.multiple must be a multiple of 32"),
        ("[preprocessing]\nscaling = 'z'", r"preprocessing\.scaling must be 'unit' or 'none'"),
        ("[preprocessing]\ncrop = 'none'", r"preprocessing\.crop must be 'body'"),
        ("[preprocessing]\nwindow_hu = [600, -1024]", r"Preprocessing makes no sense"),
        ("[preprocessing]\nwindow_hu = [0, 1, 2]", r"too many values"),
        ("[augment]\nrotation_deg = 90", r"augment\.rotation_deg must be less than 90"),
        ("steps = = 3", r"no readable TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_file_s_name(toml, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        TrainConfig.from_toml(toml(text))
    assert "config.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no readable TOML"):
        TrainConfig.from_toml(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    with pytest.raises(UsageError, match="no readable TOML"):
        TrainConfig.from_toml(tmp_path / "binary.toml")
