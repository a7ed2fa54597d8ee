"""`pleura evaluate`: files, folders, tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from pleura.volume import Geometry
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


@pytest.fixture
def sets(tmp_path: Path, phantom: Phantom) -> Path:
    """Folders `pred`, `other` and `ref` of seven scans; the further on, the worse is `other`."""
    reference = np.where(phantom.labels == 3, 0, phantom.labels).astype(np.uint8)
    for kind in ("pred", "other", "ref"):
        (tmp_path / kind).mkdir()
    for i in range(7):
        other = reference.copy()
        other[2, : 25 + i] = 0
        for kind, array in (("pred", reference), ("other", other), ("ref", reference)):
            save(tmp_path / kind / f"s{i}.nii.gz", array, phantom.geometry)
    return tmp_path


def test_two_sets_of_predictions(pleura: Pleura, sets: Path, here: Path) -> None:
    (sets / "other" / "s6.nii.gz").rename(sets / "other" / "s9.nii.gz")
    call = ("evaluate", sets / "pred", sets / "ref", "--against", sets / "other", "--merge")
    run = pleura(*call, "-o", "t.md", "--json")
    assert run.code == 0 and run.err == ""
    against = run.json["against"]
    assert against["title"] == "other" and len(against["scans"]) == 8
    assert [(one["name"], one["set"]) for one in against["comparison"]["left_out"]] == [
        ("s6", "other"), ("s9", "prediction"), ("s9", "other"),
    ]  # fmt: skip
    lungs = against["comparison"]["structures"]["lungs"]
    assert lungs["patients"] == 6 and lungs["metrics"]["dice"]["difference"] > 0
    assert lungs["metrics"]["dice"]["p"] == pytest.approx(2 / 2**6)
    assert lungs["volumes"]["other"]["bias_ml"] < 0
    assert names(here) == ["t.md", "t_bland_altman.svg"]
    text = Path("t.md").read_text()
    assert "## pred against other" in text and "(<t_bland_altman.svg>)" in text
    assert "| metric | pred | other | difference | 95 % interval | p | p (Holm) |" in text
    assert "- s6 (other): There is no prediction for 's6'." in text
    assert "pred (n = 6 scans)" in Path("t_bland_altman.svg").read_text()
    pleura(*call, "-o", "t.csv", "--plot", "p.png")
    assert names(here) == ["p.png", "t.csv", "t.md", "t_bland_altman.svg"]
    with open("t.csv", newline="") as stream:
        assert {line["method"] for line in csv.DictReader(stream)} == {"prediction", "against"}


def test_two_predictions_of_one_scan(pleura: Pleura, sets: Path, here: Path) -> None:
    one = [sets / kind / f"s{i}.nii.gz" for kind, i in (("pred", 0), ("ref", 0), ("other", 5))]
    run = pleura("evaluate", *one[:2], "--against", one[2], "--plot", "p.svg")
    assert run.code == 0 and "## s0.nii.gz against s5.nii.gz" in run.out
    assert "Below 6 patients there are no intervals" in run.out
    assert "limits" not in Path("p.svg").read_text()


def test_patients_with_several_scans(pleura: Pleura, sets: Path) -> None:
    table = sets / "p.csv"
    table.write_text("name,patient\n" + "".join(f"s{i},p{i // 2}\n" for i in range(7)))
    call = ("evaluate", sets / "pred", sets / "ref", "--against", sets / "other")
    record = pleura(*call, "--patients", table, "--json").json
    assert record["summary"]["patients"] == 4
    assert record["summary"]["structures"]["lungs"]["dice"]["ci95"] is None
    assert record["against"]["comparison"]["structures"]["left"]["patients"] == 4
    assert pleura(*call, "--json").json["summary"]["patients"] == 7
    assert "each scan counts as a patient" in pleura(*call).out


def test_resampled_only_when_asked(pleura: Pleura, sets: Path, phantom: Phantom) -> None:
    z, y, x = phantom.geometry.spacing_zyx_mm
    x0, y0, z0 = phantom.geometry.origin_lps_mm
    finer = Geometry.from_parts((12, 64, 64), (z / 2, y, x), (x0, y0, z0 - z / 4))
    array = np.repeat(np.where(phantom.labels == 3, 0, phantom.labels), 2, axis=0)
    for i in range(7):
        save(sets / "pred" / f"s{i}.nii.gz", array.astype(np.uint8), finer)
    run = pleura("evaluate", sets / "pred", sets / "ref")
    assert run.code == 2 and "None of the 7 pairs" in run.err and "--resample" in run.err
    call = ("evaluate", sets / "other", sets / "ref", "--resample", "--against", sets / "pred")
    assert "(nearest neighbour): s0, s1, s2, s3, s4, s5, s6." in pleura(*call).out
    run = pleura("evaluate", sets / "pred", sets / "ref", "--resample")
    assert "(nearest neighbour): s0, s1, s2, s3, s4, s5, s6." in run.out
    rows = pleura("evaluate", sets / "pred", sets / "ref", "--resample", "--json").json["scans"]
    assert all(row["resampled"] and row["structures"]["left"]["dice"] == 1 for row in rows)
    run = pleura("evaluate", *(sets / kind / "s0.nii.gz" for kind in ("pred", "ref")))
    assert run.code == 2 and "--resample" in run.err
    run.assert_one_sentence()


def test_schemes_of_all_three(pleura: Pleura, sets: Path, phantom: Phantom) -> None:
    merged = np.isin(phantom.labels, (1, 2)).astype(np.uint8)
    for i in range(7):
        save(sets / "other" / f"s{i}.nii.gz", merged, phantom.geometry)
    call = ("evaluate", sets / "pred", sets / "ref", "--against", sets / "other", "--json")
    comparison = pleura(*call, "--against-labels", "merged").json["against"]["comparison"]
    assert list(comparison["structures"]) == ["lungs"]
    assert comparison["structures"]["lungs"]["metrics"]["dice"]["p"] == 1.0


@pytest.mark.parametrize(
    "case",
    [
        "mask",
        "folder",
        "plot",
        "no plot",
        "own folder",
        "patients",
        "one patient",
        "empty",
        "extra",
    ],
)
def test_comparisons_that_do_not_fit(
    pleura: Pleura, sets: Path, here: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = (sets / "pred", sets / "ref")
    one = [folder / "s0.nii.gz" for folder in folders]
    (sets / "p.csv").write_text("name,patient\ns0,A\n")
    arguments = {
        "mask": (*folders, "--against", one[0]),
        "folder": (*one, "--against", folders[0]),
        "plot": (*one, "--plot", "p.pdf"),
        "no plot": (*one, "--plot", "none/p.png"),
        "own folder": (*folders, "--plot", sets / "ref" / "s0.png"),
        "scan": (*folders, "--baseline", one[0]),
        "patients": (*folders, "--patients", sets / "p.csv"),
        "one patient": (*one, "--patients", sets / "p.csv"),
        "empty": (*folders, "--pred-labels", "luna16", "--plot", "p.png"),
        "extra": (*folders, "--against", sets / "other"),
    }[case]
    if case == "extra":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run = pleura("evaluate", *arguments)
    assert run.code == 2 and run.out == "" and names(here) == []
    run.assert_one_sentence()
    words = {
        "patients": "'s1' and 5 more",
        "empty": "None of the 7 pairs",
        "extra": "pip install 'pleura[lab]'",
    }
    assert words.get(case, "") in run.err


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
