from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pleura.errors import ModelError
from pleura.infer.model_folder import BUNDLED, open_model, sha256_of
from pleura.labels import CHANNELS
from pleura.model_spec import ModelSpec, Preprocessing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLED / "lungs", tmp_path / "copy"))


def test_the_bundled_model_is_whole() -> None:
    model = open_model("lungs")
    assert model.spec.name == "lungs"
    assert model.spec.channels == CHANNELS
    assert model.file("main").name == "model.onnx"
    assert sum(path.stat().st_size for path in model.path.iterdir()) <= 30_000_000
    card = (model.path / "README.md").read_text()
    for word in ("licence", "Split", "Limits", "not a medical device"):
        assert word in card


def test_a_folder_by_path(folder: Path) -> None:
    assert open_model(folder).file("main").parent == folder


def test_a_changed_byte_is_noticed(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        open_model(folder).file("main")


def test_a_missing_network_is_noticed(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match="lacks"):
        open_model(folder).file("main")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", 99),
        ("channels", ["heart"]),
        ("preprocessing", {"window_hu": [5, 5]}),
        ("preprocessing", {"colour": "red"}),
        ("files", None),
    ],
)
def test_descriptions_that_make_no_sense(folder: Path, key: str, value: object) -> None:
    path = folder / "model.json"
    data = json.loads(path.read_text())
    data[key] = value
    if value is None:
        del data[key]
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError):
        open_model(folder)


def test_a_description_survives_its_file(tmp_path: Path) -> None:
    spec = ModelSpec(
        "x", "1.0", {"main": "m"}, {"main": "0"}, {"name": "resunet"},
        preprocessing=Preprocessing((-1350, 150), "none", 512), threshold=0.4,
    )  # fmt: skip
    (tmp_path / "model.json").write_text(spec.to_json())
    assert ModelSpec.from_file(tmp_path / "model.json") == spec


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert sha256_of(tmp_path / "x").startswith("e3b0c44298fc1c14")
