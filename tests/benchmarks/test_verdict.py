"""The verdict benchmark: three experiments on a phantom, and the page from its rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import verdict
from benchmarks.accuracy import Case
from pleura.lab.corrupt import CORRUPTIONS
from pleura.lab.label_map import LabelFile
from pleura.lab.miswritten import MISWRITTEN
from pleura.lab.sources import Pair
from pleura.lab.verdicts.rows import Row, read_verdicts, write_verdicts
from tests.phantom import chest
from tests.scans import save

PAGE = "Words.\n" + "".join(
    f"<!-- verdict: {name} -->\n<!-- /verdict: {name} -->\n" for name in ("good", "mask", "scan")
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One phantom as a volume and as a set of slices; two ways of each kind."""
    phantom = chest((24, 96, 96), (10.0, 4.0, 4.0))
    image = save(tmp_path / "one.nii.gz", phantom.hu, phantom.geometry)
    labels = save(tmp_path / "labels.nii.gz", phantom.labels, phantom.geometry)

    def cases(folder: Path, roles: list[str]) -> Iterator[Case]:
        assert folder == tmp_path and roles == ["train", "validation"]
        pair = Pair("one", image, LabelFile(labels, "pleura"))
        for name in ("volumes", "slices"):
            yield Case(name, "train", "one", "-", pair)

    monkeypatch.setattr(verdict, "cases", cases)
    for ways, kept in (
        ("CORRUPTIONS", {name: CORRUPTIONS[name] for name in ("left lung missing", "holes")}),
        ("MISWRITTEN", {name: MISWRITTEN[name] for name in ("inverted", "upper half alone")}),
    ):
        monkeypatch.setattr(verdict, ways, kept)
    monkeypatch.setattr(verdict, "_CROPS", 2)
    return tmp_path


def test_rows_of_all_experiments(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "quality"
    out.with_suffix(".md").write_text(PAGE)
    assert verdict.main([str(data), "--out", str(out), "--threads", "1"]) == 0
    rows = read_verdicts(out / "verdict.csv")
    assert [(row.set, row.experiment, row.way) for row in rows] == [
        ("volumes", "good", "model"),
        ("volumes", "good", "reference"),
        *[("volumes", "good", "ten slices of the scan")] * 2,
        ("volumes", "mask", "left lung missing"),
        ("volumes", "mask", "holes"),
        ("volumes", "scan", "inverted"),
        ("volumes", "scan", "upper half alone"),
        ("slices", "good", "model"),
        ("slices", "good", "reference"),
    ]
    by_way = {row.way: row for row in rows if row.set == "volumes"}
    assert by_way["inverted"].outcome == "refused" and by_way["inverted"].codes == "intensity"
    lost, model = by_way["left lung missing"], by_way["model"]
    assert lost.outcome == "fail" and "fail:lung_missed" in lost.codes
    assert lost.dice is not None and 0.5 < lost.dice < 0.8
    assert model.dice is not None and model.dice > 0.95
    half = by_way["upper half alone"]
    assert half.dice is not None and half.dice > 0.95 and "lung_cut_off" in half.codes
    text = out.with_suffix(".md").read_text()
    assert (
        text.startswith("Words.\n") and "| left lung missing | 1 | 1 | 0 | 0 | 1 | 0 | - |" in text
    )
    assert "| slices: model | 1 |" in text and "| inverted | 1 | 1 | 0 | 0 | 0 | 1 |" in text
    assert "| inverted | 1 |" in capsys.readouterr().out


def test_a_report_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "Segmenter", None)
    out = tmp_path / "quality"
    out.mkdir()
    row = Row("mask", "holes", "volumes", "one", "train", "warn", "warn:voids", 0.9)
    write_verdicts([row], out / "verdict.csv")
    out.with_suffix(".md").write_text(PAGE)
    assert verdict.main(["--report", "--out", str(out)]) == 0
    assert "| holes | 1 | 1 | 0 | 1 | 0 | 0 | - | voids 1 |" in out.with_suffix(".md").read_text()


def test_a_report_needs_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict.main(["--report", "--out", str(tmp_path / "none")]) == 2
    assert "without --report" in capsys.readouterr().err


def test_sides_and_airways_do_not_count() -> None:
    one, other = np.array([[[0, 1, 2, 3]]], np.uint8), np.array([[[0, 2, 1, 0]]], np.uint8)
    assert verdict.lung_dice(one, other) == 1
    assert verdict.lung_dice(one, np.where(one == 1, 0, one)) == pytest.approx(2 / 3)
