"""Tables and plot from a few points, and the page between its markers."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pleura.lab.perturb import PERTURBATIONS
from pleura.lab.robustness.points import CLEAN, Point, Report
from pleura.lab.robustness.report import write_report
from pleura.lab.robustness.tables import tables

FACTS = {"model": "lungs 1 abc", "engine": "openvino int8", "perturbations": "1"}


def point(scan: str, name: str, strength: float, dice: float, told: str = "") -> Point:
    verdict = told.partition(":")[0] or "pass"
    return Point(scan, name, strength, dice, dice, 1.5, -2.0, verdict, told, **FACTS)


POINTS = [
    Point("one", CLEAN, 0.0, verdict="pass", **FACTS),
    Point("two", CLEAN, 0.0, verdict="warn", findings="warn:voids", **FACTS),
    point("one", "noise", 10, 0.999),
    point("two", "noise", 10, 0.985, "warn:voids"),
    point("one", "noise", 20, 0.97),
    point("two", "noise", 20, 0.93, "warn:voids"),
    point("one", "flip", 1, 0.80, "fail:lung_missed"),
    Point("two", "flip", 1, verdict="refused: intensity", **FACTS),
]


@pytest.fixture
def blocks() -> dict[str, list[str]]:
    return tables(Report.of(POINTS, PERTURBATIONS), PERTURBATIONS)


def test_strengths_have_median_worst_and_verdicts(blocks: dict[str, list[str]]) -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in blocks["table"][2:]]
    assert rows[0] == [
        "noise", "10 HU SD", "2", "0.9920", "0.9850 (two)", "0.9920", "1.5", "-2.0",
        "1 / 1 / 0 / 0", "0",
    ]  # fmt: skip
    assert rows[1][3:5] == ["0.9500", "0.9300 (two)"]
    assert rows[2][:4] == ["flip", "left-right", "2", "0.8000"]
    assert rows[2][-2:] == ["0 / 0 / 1 / 1", "2"]
    assert len(rows) == 3


def test_summary_says_where_harm_begins(blocks: dict[str, list[str]]) -> None:
    noise, flip = blocks["summary"][2:]
    assert "| 10 | 0.9300 | 20 | two |" in noise
    assert "| none | 0.8000 | left-right | one |" in flip


def test_verdicts_by_band(blocks: dict[str, list[str]]) -> None:
    """A warning that the clean scan has too is no notice."""
    lines = blocks["verdict"][2:]
    assert lines == [
        "| 0.98 or more | 2 | 1 | 1 | 0 | 0 |",
        "| below 0.98, 0.95 or more | 1 | 1 | 0 | 0 | 0 |",
        "| below 0.95, 0.90 or more | 1 | 0 | 1 | 0 | 0 |",
        "| below 0.90 | 1 | 0 | 0 | 1 | 1 |",
        "| refused | 1 | - | - | - | 1 |",
    ]


def test_the_worst_and_the_unnoticed(blocks: dict[str, list[str]]) -> None:
    worst = [line.split("|")[4].strip() for line in blocks["worst"][2:]]
    assert worst == ["0.8000", "0.9300", "0.9700"]
    assert len(blocks["unnoticed"]) == 4 and "lung_missed" not in "".join(blocks["unnoticed"])
    fine = Report.of(POINTS[:3], PERTURBATIONS)
    assert tables(fine, PERTURBATIONS)["worst"] == ["None."]


def test_the_page_keeps_its_words(tmp_path: Path) -> None:
    page = tmp_path / "robustness.md"
    page.write_text(
        "Before.\n<!-- robustness: verdict -->\nold\n<!-- /robustness: verdict -->\nAfter.\n"
    )
    folder = tmp_path / "robustness"
    folder.mkdir()
    for _ in range(2):  # a second time changes nothing
        write_report(POINTS, PERTURBATIONS, folder, page)
        text = page.read_text()
        assert text.startswith("Before.\n<!--") and text.endswith("-->\nAfter.\n")
        assert text.count("below 0.90 |") == 1 and "old" not in text
    drawn = (folder / "dice.svg").read_text()
    ElementTree.fromstring(drawn)
    assert ">noise<" in drawn and ">flip<" in drawn and ">metal<" not in drawn
