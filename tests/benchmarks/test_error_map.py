"""The error map's benchmark: rows, pictures of what may be shown, and the page from rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import error_map
from benchmarks.accuracy import Case
from pleura.lab.error_map.rows import (
    RegionRow,
    ScanRow,
    read_regions,
    read_scans,
    write_regions,
    write_scans,
)
from pleura.lab.label_map import LabelFile
from pleura.lab.sources import Pair
from tests.phantom import chest
from tests.scans import save

MARKERS = (
    "run", "volumes", "places", "contents", "depths", "slices", "slice depths", "findings",
    "attributes", "pictures",
)  # fmt: skip
PAGE = "Words.\n" + "".join(
    f"<!-- error-map: {name} -->\n<!-- /error-map: {name} -->\n" for name in MARKERS
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One phantom under three names and in three sets."""
    phantom = chest((24, 96, 96), (10.0, 4.0, 4.0))
    image = save(tmp_path / "one.nii.gz", phantom.hu, phantom.geometry)
    labels = save(tmp_path / "labels.nii.gz", phantom.labels, phantom.geometry)
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / "annotations.csv").write_text(
        'name,grade,findings\nlidc0000,A,"normal; small"\n'
    )

    def cases(folder: Path, roles: list[str]) -> Iterator[Case]:
        assert folder == tmp_path and roles == ["validation", "train"]
        for set_name, name in (("volumes", "lidc0000"), ("volumes", "cap000"), ("slices", "one")):
            pair = Pair(name, image, LabelFile(labels, "pleura"))
            yield Case(set_name, "train", name, "A", pair)

    monkeypatch.setattr(error_map, "cases", cases)
    return tmp_path


def test_rows_pictures_and_page(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "error-map"
    out.mkdir()
    (out / "train-old.png").write_bytes(b"of another model")
    (out / "mine.png").write_bytes(b"no picture of ours")
    out.with_suffix(".md").write_text(PAGE)
    assert error_map.main([str(data), "--out", str(out), "--threads", "1"]) == 0
    shown, hidden = read_scans(out / "scans.csv")
    assert (shown.scan, shown.finding, hidden.finding) == ("lidc0000", "normal; small", "")
    assert shown.dice is not None and shown.dice > 0.95 and shown.slice_mm == 10
    assert shown.model.startswith("lungs ") and shown.worst_slice >= 0
    assert {file.name for file in out.glob("*.png")} == {shown.picture, "mine.png"}
    assert not hidden.picture
    regions = [row for row in read_regions(out / "regions.csv") if row.scan == "cap000"]
    for kind in ("place", "content", "depth"):
        total = sum(row.error_ml for row in regions if row.kind == kind)
        expected = (hidden.false_positive_ml or 0) + (hidden.false_negative_ml or 0)
        assert total == pytest.approx(expected, rel=1e-3)
    text = out.with_suffix(".md").read_text()
    assert text.startswith("Words.\n") and f"](error-map/{shown.picture})" in text
    assert "| apex | 2 |" in text and "cap000.png" not in text
    assert "| apex | 2 |" in capsys.readouterr().out


def test_a_report_computes_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = data / "error-map"
    out.mkdir()
    row = ScanRow("volumes", "lidc0000", "P1", "train", "A", "mass", slice_mm=10.0)
    write_scans([row], out / "scans.csv")
    write_regions(
        [RegionRow("volumes", "lidc0000", "train", "A", "place", "apex")], out / "regions.csv"
    )
    monkeypatch.setattr(error_map, "segmenter_of", None)
    out.with_suffix(".md").write_text(PAGE)
    assert error_map.main([str(data), "--out", str(out), "--report"]) == 0
    assert "| lidc0000 | train | A | 10.0 |" in out.with_suffix(".md").read_text()


def test_a_report_needs_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert error_map.main([str(tmp_path), "--report", "--out", str(tmp_path / "none")]) == 2
    assert "without --report" in capsys.readouterr().err
