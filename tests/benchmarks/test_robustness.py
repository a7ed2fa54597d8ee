"""The robustness benchmark: a row a point, refusals kept, known points not computed again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import robustness
from pleura.lab.perturb import Perturbation
from pleura.lab.perturb.intensity import offset
from pleura.lab.perturb.sampling import matrix
from pleura.lab.robustness.points import CLEAN, Point, read_points, write_points
from pleura.volume import Geometry, Volume, nibabel_image
from tests.phantom import chest

# An offset of 1500 HU is no CT any more; 4000 pixels are more than any scan has.
FEW = (
    Perturbation("offset", "HU", (20, 1500), offset),
    Perturbation("matrix", "pixels", (4000, 64), matrix),
)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    phantom = chest((24, 96, 96), (10.0, 4.0, 4.0))
    path = tmp_path / "phantom.nii.gz"
    nibabel_image(phantom.hu, phantom.geometry).to_filename(path)
    return path


def test_points_are_computed_once(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(robustness, "PERTURBATIONS", FEW)
    out = tmp_path / "out"
    call = [str(scan), "--out", str(out), "--threads", "1"]
    assert robustness.main(call) == 0
    points = {(p.perturbation, p.strength): p for p in read_points(out / "points.csv")}
    assert list(points) == [(CLEAN, 0), ("offset", 20), ("offset", 1500), ("matrix", 64)]
    assert points["offset", 1500].verdict.startswith("refused: ")
    near = points["offset", 20]
    assert near.dice is not None and near.dice > 0.98 and near.model.startswith("lungs ")
    assert near.dice_sides is not None and near.hd95_mm is not None and near.hd95_mm < 10
    assert "| offset | 20 HU | 1 |" in capsys.readouterr().out
    assert (out / "dice.svg").is_file()

    known = [Point(**{**vars(p), "dice": 0.5}) if p is near else p for p in points.values()]
    write_points([p for p in known if p.strength != 64], out / "points.csv")
    assert robustness.main(call) == 0
    again = {(p.perturbation, p.strength): p for p in read_points(out / "points.csv")}
    assert again["offset", 20].dice == 0.5  # kept
    assert again["matrix", 64].dice == points["matrix", 64].dice  # computed again, and the same

    monkeypatch.setattr(robustness, "VERSION", 999)
    assert robustness.main(call) == 0
    fresh = {(p.perturbation, p.strength): p for p in read_points(out / "points.csv")}
    assert fresh["offset", 20].dice == near.dice and fresh["offset", 20].perturbations == "999"


def test_a_report_needs_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert robustness.main(["--report", "--out", str(tmp_path / "none")]) == 2
    assert "without --report" in capsys.readouterr().err


def test_scores_of_a_wrong_mask() -> None:
    expected = np.zeros((4, 8, 8), dtype=np.uint8)
    expected[:, 2:6, 1:3], expected[:, 2:6, 5:7] = 1, 2
    volume = Volume(
        np.zeros(expected.shape, np.int16), Geometry.from_parts(expected.shape, (2, 1, 1))
    )
    swapped = np.where(expected, 3 - expected, 0).astype(np.uint8)
    scores = robustness.compared(swapped, expected, volume)
    assert scores["dice"] == 1 and scores["dice_sides"] == 0 and scores["hd95_mm"] == 0
    half = np.where(expected == 1, expected, 0).astype(np.uint8)
    assert robustness.compared(half, expected, volume)["volume_change_percent"] == -50
    empty = np.zeros_like(expected)
    assert robustness.compared(empty, empty, volume)["dice"] == 1


def test_test_patients_are_left_out(shared_data: Path) -> None:
    names = {scan.name for scan in robustness.scans([])}
    assert {"normal001", "covid001"} <= names and not {"cap001", "c3n00247"} & names
