"""`pleura prepare`: what it prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pleura.record import schema
from tests.phantom import Phantom
from tests.scans import Pleura, save


@pytest.fixture
def source(tmp_path: Path, phantom: Phantom) -> Path:
    """Two scans, of which one can't be read."""
    for name in ("a", "b"):
        for folder, array in (("imagesTr", phantom.hu), ("labelsTr", phantom.labels)):
            (tmp_path / "mine" / folder).mkdir(parents=True, exist_ok=True)
            save(tmp_path / "mine" / folder / f"{name}.nii.gz", array, phantom.geometry)
    (tmp_path / "mine" / "imagesTr" / "b.nii.gz").write_bytes(b"garbage")
    return tmp_path / "mine"


def test_summary_and_what_was_left_out(pleura: Pleura, source: Path, tmp_path: Path) -> None:
    run = pleura("prepare", source, tmp_path / "store")
    assert run.code == 0
    assert run.out.startswith("Read as images and labels, labels as pleura.\n1 scan of 1 patient, ")
    assert "1 left out; the reasons are in report.json." in run.out
    assert "Left out: b: " in run.err and "Traceback" not in run.err
    assert "Warning: Each scan" in run.err


def test_json_is_the_report(pleura: Pleura, source: Path, tmp_path: Path) -> None:
    run = pleura("prepare", source, tmp_path / "store", "--set", "x", "--json")
    record = json.loads(run.out)
    jsonschema.validate(record, schema("prepare"))
    assert record == json.loads((tmp_path / "store" / "x" / "report.json").read_text())
    assert record["layout"] == {"name": "images-labels", "title": "images and labels"}


def test_layout_and_patients(pleura: Pleura, source: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,patient\na,P\nb,P\n")
    run = pleura("prepare", source, tmp_path / "s", "--patients", tmp_path / "p.csv", "--json")
    assert json.loads(run.out)["scans"][0]["patient"] == "P"
    assert "a patient of its own" not in run.err
    run = pleura("prepare", source, tmp_path / "s", "--layout", "luna16")
    assert run.code == 2 and "is not LUNA16, which is subset0" in run.err
    run = pleura("prepare", source, tmp_path / "s", "--layout", "luna")
    assert run.code == 2 and "There is no layout 'luna'; known are luna16: " in run.err


def test_nothing_usable(pleura: Pleura, source: Path, tmp_path: Path) -> None:
    (source / "imagesTr" / "a.nii.gz").write_bytes(b"garbage")
    run = pleura("prepare", source, tmp_path / "store", "--json")
    assert run.code == 2 and json.loads(run.out)["error"]["code"] == "usage"
    assert "no usable pair: " in run.err


def test_senseless_places_and_sizes(pleura: Pleura, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    wrong = {
        "must be at least 32 pixels, not -3": (source, tmp_path / "s", "--long-side", "-3"),
        "give a folder for the training store": (source, tmp_path / "file"),
        "give its data set's folder": (tmp_path / "file", tmp_path / "s"),
    }
    for words, call in wrong.items():
        run = pleura("prepare", *call)
        assert run.code == 2 and words in run.err and run.err.count("\n") == 1
    assert not (tmp_path / "s").exists()
