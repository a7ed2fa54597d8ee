"""lungmask's row, with a stand-in for its package and weights; the key of a model."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import SimpleITK as sitk

from pleura.errors import UsageError
from pleura.infer.model_folder import sha256_of
from pleura.lab.study.methods import BaselineMethod, LungmaskMethod, ModelMethod
from pleura.volume import Volume
from tests.lab.small_store import small_chest


class StandIn:
    """As lungmask 0.2.20's `LMInferer`: an image in, (z, y, x) labels out."""

    made: ClassVar[list[dict]] = []

    def __init__(self, **options):
        self.made.append(options)

    def apply(self, image):
        assert isinstance(image, sitk.Image)
        assert image.GetSpacing() == (6.0, 6.0, 45.0)
        return (sitk.GetArrayFromImage(image) < -500).astype(np.uint8) * 2


@pytest.fixture
def volume():
    phantom = small_chest()
    return Volume(phantom.hu, phantom.geometry)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "r231.pth"
    path.write_bytes(b"weights")
    return path


def test_lungmask_gets_the_image_and_the_weights(monkeypatch, volume, weights):
    monkeypatch.setitem(sys.modules, "lungmask", SimpleNamespace(LMInferer=StandIn))
    StandIn.made.clear()
    method = LungmaskMethod(weights)
    for _ in range(2):
        mask = method.mask_of(volume)
    assert (mask.array == (volume.array < -500) * 2).all()
    assert mask.geometry == volume.geometry
    assert [made["modelpath"] for made in StandIn.made] == [str(weights)]  # loaded once


def test_lungmask_without_package_or_weights_says_what_to_do(monkeypatch, tmp_path, weights):
    with pytest.raises(UsageError, match=r"no lungmask weights at .*none\.pth"):
        LungmaskMethod(tmp_path / "none.pth")
    monkeypatch.setitem(sys.modules, "lungmask", None)
    with pytest.raises(UsageError, match="pip install lungmask"):
        LungmaskMethod(weights)


def test_other_weights_are_another_method(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "lungmask", SimpleNamespace(LMInferer=StandIn))
    before = LungmaskMethod(weights).key
    weights.write_bytes(b"others")
    assert LungmaskMethod(weights).key != before


def test_keys_tell_methods_apart(done):
    keys = {
        ModelMethod(row.title, 1, done.folder / done.config.model_folder(row, 1)).key
        for row in done.config.rows
    }
    assert len(keys | {BaselineMethod().key, ModelMethod("x", None, "lungs").key}) == 6


def test_the_baseline_finds_lungs(volume):
    assert BaselineMethod().mask_of(volume).array.any()


def test_a_models_key_is_its_weights_and_rules_by_name(done):
    """Not by their order in the code, which may change and would have everything scored again."""
    folder = done.folder / done.config.model_folder(done.config.rows[0], 1)
    sha256, rules = ModelMethod("x", 1, folder).key.split(" ", 1)
    assert sha256 == sha256_of(folder / "model.onnx")
    assert json.loads(rules) == {
        "window_hu": [-1024, 600], "stretch_hu": None, "scaling": "none", "long_side": 64,
        "multiple": 32, "crop": "none", "threshold": 0.5, "postprocessing": "none",
        "channels": ["lungs"], "slab_mm": 0,
    }  # fmt: skip


def test_models_are_scored_in_fp32_whatever_the_cpu_has(monkeypatch):
    monkeypatch.setattr("pleura.lab.study.methods.Segmenter", lambda *_, **options: options)
    assert ModelMethod("x", None, "lungs")._segmenter["precision"] == "fp32"
