"""Points survive their CSV; a file that isn't theirs is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.errors import UnreadableError
from pleura.lab.perturb import PERTURBATIONS
from pleura.lab.robustness.points import CLEAN, Point, Report, read_points, write_points

SCORED = Point(
    "a, b", "noise", 10.0, 0.99, 0.98, float("inf"), -1.25, "warn", "warn:voids note:thin", "m 1",
    "openvino int8", "1",
)  # fmt: skip
REFUSED = Point("c", "offset", -200.0, verdict="refused: intensity")


def test_there_and_back(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    write_points([SCORED, REFUSED], file)
    assert read_points(file) == [SCORED, REFUSED]
    assert [point.refused for point in read_points(file)] == [False, True]


@pytest.mark.parametrize("text", [None, "a,b\n1,2\n", "swap"])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "points.csv"
    if text == "swap":
        write_points([SCORED], file)
        file.write_text(file.read_text().replace("0.99", "much"))
    elif text is not None:
        file.write_text(text)
    with pytest.raises(UnreadableError, match=r"points\.csv"):
        read_points(file)


def test_notes_are_no_warnings_and_known_warnings_are_no_news() -> None:
    clean = Point("a, b", CLEAN, 0.0, verdict="warn", findings="warn:voids")
    report = Report.of([clean, SCORED, REFUSED, Point("a, b", "forgotten", 1.0)], PERTURBATIONS)
    assert report.points == (SCORED, REFUSED)
    assert SCORED.warnings == {"voids"}
    assert not report.noticed(SCORED) and report.noticed(REFUSED)
    alone = Report.of([SCORED], PERTURBATIONS)
    assert alone.noticed(SCORED)
