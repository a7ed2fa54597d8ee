"""Markdown and CSV say what was aggregated, and no more than few patients allow."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from pleura.errors import OutputError
from pleura.lab.study.aggregate import aggregate
from pleura.lab.study.scores import ScanScore, StudyRecord
from pleura.lab.study.table import CSV_FIELDS, csv_rows, to_markdown, write_csv, write_scans_csv
from tests.lab.study.fake_record import HOSTILE, ROWS, hostile_study, realistic_study, tiny_study


def _section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def realistic() -> str:
    return to_markdown(realistic_study())


def test_the_seeds_table_has_the_hand_computed_numbers() -> None:
    table = _section(to_markdown(tiny_study()), "Dice by row and role")

    assert "| Net | - | - | † 0.6875 | - | - | † 0.6000 |" in table
    assert "| Rule | - | - | 0.5333 | - | - |" in table  # (0.9 + 0.7 + 0) / 3
    assert "Scans with lung: test 3 patients, 4 scans." in table
    assert "**" not in table  # a row that lacks a scan is no rival


def test_details_tests_and_seeds_have_the_hand_computed_numbers() -> None:
    text = to_markdown(tiny_study())

    details = "| test | Net | 0.6875 | p1 0.8750, p2 0.5000 | s3 0.5000 | 3.00 | 2 | 3 | 1 |"
    assert details in _section(text, "Intervals and worst scans")
    difference = "−0.1125 | p1 −0.0250, p2 −0.2000 | 0 / 2 / 0 | - | - |"  # noqa: RUF001
    assert f"| V | Net | {difference}" in _section(text, "Paired tests")
    spread = "| Net | 1, 2 | - | - | 0.7250 / 0.6500 | 0.0750 |"
    assert spread in _section(text, "Spread of the seeds")
    left_out = _section(text, "Left out of Dice")
    assert "| Net | - | - | 0 of 1 |" in left_out
    assert "- **Net, s4, seed 2**: The disk was full." in left_out


def test_all_patients_together_are_not_tested_again(realistic: str) -> None:
    tests = _section(realistic, "Paired tests")

    assert not [line for line in tests.splitlines() if line.startswith("| All patients |")]
    assert "All patients together aren't tested" in tests
    assert "aren't tested" not in to_markdown(tiny_study())  # of one set


def test_two_test_volumes_get_neither_interval_nor_p_value(realistic: str) -> None:
    tests = [line for line in realistic.splitlines() if line.startswith("| Volumes |")]
    volumes = _section(realistic, "Intervals and worst scans").split("### Slices")[0]

    assert len(tests) == 5
    assert all(line.endswith("| - | - |") and " to " not in line for line in tests)
    assert not [line for line in volumes.splitlines() if "| test |" in line and " to " in line]
    assert "Volumes: 2 test patients can't rank the rows" in realistic


def test_the_best_of_the_complete_rows_is_marked_and_equal_ones_together() -> None:
    def score(row: str, dice: float) -> ScanScore:
        return ScanScore(row, None, "v", "s", "p", "test", dice=dice, seed_slice_dice=dice)

    rows = {"a": 0.91, "b": 0.95, "c": 0.950001}
    scores = tuple(score(row, dice) for row, dice in rows.items())
    text = to_markdown(StudyRecord("t", tuple(rows), "a", scores))

    assert re.findall(r"\| (\w) \| - \| - \| \*\*0\.9500\*\*", text) == ["b", "c"]


def test_one_seed_and_no_test_are_said() -> None:
    text = to_markdown(realistic_study(seeds=(0,)))
    assert "how far a row moves by the luck of its training isn't known" in text
    text = to_markdown(tiny_study())
    assert "No row could be tested against Rule." in text
    assert "moves by up to 0.0750 (Net, v)" in text


def test_significant_and_other_differences_are_told_apart(realistic: str) -> None:
    reading = _section(realistic, "How to read this")

    tests = [test for test in aggregate(realistic_study()).tests if test.p is not None]
    assert f"{len(tests)} paired tests" in reading
    slices = next(part for part in re.split(r"[.;] ", reading) if part.startswith("Slices: "))
    expected = {t.row for t in tests if t.set == "slices" and (t.p_holm or 0) < 0.05}
    assert {
        row for row in ROWS if f"{row} higher" in slices or f"{row} lower" in slices
    } == expected
    assert "The others show none" in reading


def test_many_errors_are_cut_with_a_hint() -> None:
    broken = [ScanScore("Net", None, "v", f"e{i}", "p", "test", error="No.") for i in range(25)]
    record = replace(tiny_study(), rows=("Net",), scores=tuple(broken))

    assert "- **5 more**: They are in scans.csv." in to_markdown(record)


def test_missing_rows_stand_in_the_table_and_with_their_reason(realistic: str) -> None:
    assert "| lungmask R231 | - | - | - | - | - | - |" in realistic
    assert "- **lungmask R231**: Its weights aren't here" in realistic


def test_names_cannot_break_the_markdown() -> None:
    text = to_markdown(hostile_study())

    assert "<script" not in text
    escaped = r"&lt;script&gt;alert('x')&lt;/script&gt; \| \`a\` \*b\* &amp; $c$"
    assert f"# {escaped}\n" in text
    for line in text.splitlines():
        if line.startswith("| ") and escaped in line and "---" not in line:
            assert len(re.findall(r"(?<!\\)\|", line)) in {6, 7, 8, 10}, line


def test_an_empty_study_still_says_why() -> None:
    record = StudyRecord("Nothing", ("Net",), "Net", (), missing=(("Net", "It was stopped."),))

    text = to_markdown(record)

    assert "- **Net**: It was stopped." in text
    assert "How to read this" not in text


def test_csv_reads_back_as_the_numbers(tmp_path: Path) -> None:
    record = realistic_study()
    numbers = aggregate(record)
    write_csv(record, tmp_path / "table.csv")
    lines = _lines(tmp_path / "table.csv")
    found = {
        tuple(line[k] for k in ("row", "seed", "set", "role", "metric")): line for line in lines
    }

    assert tuple(lines[0]) == CSV_FIELDS
    assert len(found) == len(lines)
    for (row, set_, role), cell in numbers.cells.items():
        line = found[row, "", set_, role, "dice"]
        assert float(line["value"]) == cell.dice
        assert (line["low"] and float(line["low"])) == (cell.interval[0] if cell.interval else "")
        assert int(line["patients"]) == len(cell.patients)
        assert found[row, "", set_, role, "dice_worst"]["name"] == cell.worst.name  # type: ignore[union-attr]
        for seed, mean in cell.seed_means.items():
            assert float(found[row, str(seed), set_, role, "dice"]["value"]) == mean
    for test in numbers.tests:
        line = found[test.row, "", test.set, "test", "dice_difference"]
        assert float(line["value"]) == test.mean
        assert line["p_holm"] == ("" if test.p_holm is None else repr(test.p_holm))


def test_rows_are_ready_for_json() -> None:
    far = [ScanScore("Net", None, "v", "s", "p", "test", dice=0.0, hd95_mm=None)]
    rows = csv_rows(StudyRecord("t", ("Net",), "Net", tuple(far)))

    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert all(tuple(row) == CSV_FIELDS for row in rows)
    (distance,) = (row for row in rows if row["metric"] == "hd95_mm_median")
    assert distance["value"] is None


def test_scans_csv_is_every_score(tmp_path: Path) -> None:
    record = tiny_study()
    write_scans_csv(record, tmp_path / "scans.csv")
    lines = _lines(tmp_path / "scans.csv")

    assert len(lines) == len(record.scores)
    assert list(lines[0]) == [field.name for field in fields(ScanScore)]
    assert float(lines[0]["dice"]) == pytest.approx(0.9)
    failed = next(line for line in lines if line["error"])
    assert (failed["row"], failed["name"], failed["dice"]) == ("Net", "s4", "")


def test_a_hostile_name_survives_the_csv(tmp_path: Path) -> None:
    write_scans_csv(hostile_study(), tmp_path / "scans.csv")
    assert {line["row"] for line in _lines(tmp_path / "scans.csv")} == {HOSTILE}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"table\.csv could not be written"):
        write_csv(tiny_study(), tmp_path / "no" / "table.csv")
