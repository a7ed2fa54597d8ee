"""`pleura evaluate`: files, folders, tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.phantom import Phantom
from tests.scans import Pleura, names, save


@pytest.fixture
def pair(tmp_path: Path, phantom: Phantom) -> tuple[Path, Path]:
    """A prediction that misses a slice of the left lung, and the reference."""
    reference = np.where(phantom.labels == 3, 0, phantom.labels).astype(np.uint8)
    prediction = reference.copy()
    prediction[2][prediction[2] == 2] = 0
    for kind, array in (("pred", prediction), ("ref", reference)):
        (tmp_path / kind).mkdir()
        save(tmp_path / kind / "one.nii.gz", array, phantom.geometry)
    return tmp_path / "pred" / "one.nii.gz", tmp_path / "ref" / "one.nii.gz"


def test_two_files(pleura: Pleura, pair: tuple[Path, Path], here: Path) -> None:
    run = pleura("evaluate", *pair, "--json")
    assert run.code == 0 and run.err == "" and names(here) == []
    assert run.json["schema_version"] == 1
    (row,) = run.json["scans"]
    assert row["structures"]["right"]["dice"] == 1.0
    assert 0.5 < row["structures"]["left"]["dice"] < 0.95
    assert set(row["structures"]) == {"lungs", "right", "left"}
    text = pleura("evaluate", *pair).out
    assert "| metric | lungs | right | left |" in text


def test_merge_and_labels(pleura: Pleura, pair: tuple[Path, Path]) -> None:
    (row,) = pleura("evaluate", *pair, "--merge", "--json").json["scans"]
    assert set(row["structures"]) == {"lungs"}
    run = pleura("evaluate", *pair, "--ref-labels", "luna16")
    assert run.code == 2 and "luna16" in run.err
    run.assert_one_sentence()


def test_two_folders_into_tables(
    pleura: Pleura, pair: tuple[Path, Path], here: Path, phantom: Phantom
) -> None:
    pred, ref = (path.parent for path in pair)
    lonely = np.zeros(phantom.labels.shape, dtype=np.uint8)
    save(ref / "two.nii.gz", lonely, phantom.geometry)
    for name in ("t.csv", "t.md", "t.JSON"):
        run = pleura("evaluate", pred, ref, "-o", name)
        assert run.code == 0 and "no prediction" in run.out
    with open("t.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["structure"] for line in lines] == ["lungs", "right", "left", ""]
    assert float(lines[1]["dice"]) == 1.0 and "two" in lines[3]["error"]
    assert "| Dice |" in Path("t.md").read_text()
    record = json.loads(Path("t.JSON").read_text())
    assert record["summary"]["scans"] == 1 and record["summary"]["failed"][0]["name"] == "two"
    assert names(here) == ["t.JSON", "t.csv", "t.md"]


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
@pytest.mark.parametrize(
    "case",
    ["missing", "file and folder", "grids", "suffix", "no such folder", "no pair", "no mask"],
)
def test_what_does_not_fit(
    pleura: Pleura, pair: tuple[Path, Path], here: Path, case: str, as_json: bool,
    tmp_path: Path,
) -> None:  # fmt: skip
    pred, ref = pair
    other = save(tmp_path / "other.nii.gz", np.ones((3, 4, 5), dtype=np.uint8))
    halves = save(tmp_path / "half.nii.gz", np.full((6, 64, 64), 0.5, dtype=np.float32))
    (tmp_path / "empty").mkdir()
    arguments = {
        "missing": (pred, tmp_path / "none.nii.gz"),
        "file and folder": (pred, ref.parent),
        "grids": (pred, other),
        "suffix": (pred, ref, "-o", "t.xlsx"),
        "no such folder": (pred, ref, "-o", "none/t.csv"),
        "no pair": (tmp_path / "empty", ref.parent),
        "no mask": (pred, halves),
    }[case]
    run = pleura("evaluate", *arguments, *["--json"] * as_json)
    assert run.code == 2
    run.assert_one_sentence()
    assert names(here) == []
    assert (run.json["error"]["exit"] == 2) if as_json else (run.out == "")


def test_the_threshold_baseline_stands_beside(
    pleura: Pleura, pair: tuple[Path, Path], here: Path, phantom: Phantom
) -> None:
    (here / "scans").mkdir()
    save(here / "scans" / "one.nii.gz", phantom.hu, phantom.geometry)
    run = pleura("evaluate", *pair, "--baseline", here / "scans" / "one.nii.gz", "--json")
    (row,) = run.json["baseline"]["scans"]
    assert row["prediction"] == "threshold baseline"
    assert row["structures"]["lungs"]["dice"] > 0.9
    assert row["structures"]["left"]["dice"] > run.json["scans"][0]["structures"]["left"]["dice"]
    pred, ref = (path.parent for path in pair)
    save(ref / "two.nii.gz", phantom.labels * 0, phantom.geometry)
    run = pleura("evaluate", pred, ref, "--baseline", here / "scans", "-o", "t.csv")
    assert run.code == 0
    assert "## Threshold baseline" in run.out
    assert "no scan for 'two'" in run.out
    with open("t.csv", newline="") as stream:
        methods = {line["prediction"] for line in csv.DictReader(stream)}
    assert {"one.nii.gz", "threshold baseline"} <= methods
