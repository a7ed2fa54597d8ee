"""Disagreement between prediction and labels, and which of it is far off."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from pleura.lab.label_check import COLUMNS, Disagreement, as_record, compare, ranked, write_csv
from pleura.lab.store import Scan

SCAN = Scan("a", "p", "train", "s", 0, (3, 8, 8), (2.0, 1.0, 1.0), (0, 8, 0, 8), ("right", "left"))
ROW = Disagreement("s", "a", "p", 0.98, 0.5, 2.0, 0.97, 0)


def rows(*dice, source="s"):
    return [
        replace(ROW, source=source, name=f"n{i}", dice=value, sides_dice=None)
        for i, value in enumerate(dice)
    ]


def halves():
    """(3, 3, 8, 8): lungs, right and left half."""
    parts = np.zeros((3, 3, 8, 8), dtype=bool)
    parts[0, :, 1:7, 1:7] = True
    parts[1, :, 1:7, 1:4] = True
    parts[2] = parts[0] & ~parts[1]
    return parts


def test_a_prediction_like_the_labels():
    found = compare(SCAN, halves(), halves(), SCAN.spacing_mm)
    assert (found.dice, found.sides_dice, found.assd_mm, found.hd95_mm) == (1, 1, 0, 0)
    assert (found.source, found.name, found.patient) == ("s", "a", "p")


def test_what_differs_and_where():
    labels = halves()
    labels[0, 1, 1:7, 1:4] = labels[1, 1] = False  # a side forgotten in one slice
    found = compare(SCAN, halves(), labels, SCAN.spacing_mm)
    assert found.dice == pytest.approx(2 * 90 / (108 + 90))
    assert found.sides_dice == pytest.approx(2 * 36 / (54 + 36))
    assert found.worst_slice == 1 and found.assd_mm > 0


def test_sides_exchanged_in_labels_are_seen_though_the_lungs_agree():
    labels = halves()
    labels[1:, 2] = labels[[2, 1], 2]
    found = compare(SCAN, halves(), labels, SCAN.spacing_mm)
    assert found.dice == 1 and found.sides_dice == pytest.approx(2 / 3)
    assert found.worst_slice == 2


def test_without_sides_or_lungs():
    lungs, nothing = halves()[:1], np.zeros((1, 3, 8, 8), dtype=bool)
    assert compare(SCAN, lungs, lungs, SCAN.spacing_mm).sides_dice is None
    lost = compare(SCAN, lungs, nothing, SCAN.spacing_mm)
    assert lost.dice == 0 and math.isinf(lost.assd_mm)
    assert as_record(lost)["assd_mm"] is None
    json.dumps(as_record(lost), allow_nan=False)


def test_the_one_far_below_its_source_s_median_comes_first():
    found = ranked(rows(0.980, 0.982, 0.981, 0.90, 0.979, 0.983, 0.981))
    assert found[0].name == "n3" and found[0].suspicious
    # Median 0.981, MAD 0.001, so that the least spread of 0.002 counts.
    assert found[0].deviations == pytest.approx((0.981 - 0.90) / 0.002)
    assert not any(row.suspicious for row in found[1:])


def test_the_spread_is_the_source_s_own():
    wide = rows(0.90, 0.95, 0.97, 0.93, 0.91, 0.96, source="wide")
    narrow = rows(0.990, 0.991, 0.989, 0.990, 0.93, 0.991, source="narrow")
    suspicious = [row for row in ranked([*wide, *narrow]) if row.suspicious]
    assert [(row.source, row.name) for row in suspicious] == [("narrow", "n4")]
    lower = ranked(wide, limit=0.5)
    assert sum(row.suspicious for row in lower) > 1


def test_a_far_surface_or_side_is_suspicious_too():
    same = rows(*[0.98] * 8)
    same[2] = replace(same[2], assd_mm=3.0)
    same[5] = replace(same[5], assd_mm=math.inf)
    sided = [replace(row, sides_dice=0.97, source="t") for row in rows(*[0.98] * 8)]
    sided[1] = replace(sided[1], sides_dice=0.5)
    found = ranked([*same, *sided])
    assert {(row.source, row.name) for row in found if row.suspicious} == {
        ("s", "n2"), ("s", "n5"), ("t", "n1")
    }  # fmt: skip
    assert found[0].name == "n5"


def test_of_few_scans_no_spread_is_told():
    found = ranked([*rows(0.5, 0.9, 0.99), *rows(*[0.9] * 6, source="t")])
    assert [row.dice for row in found[-3:]] == [0.5, 0.9, 0.99]
    assert all(row.deviations is None and not row.suspicious for row in found[-3:])


def test_several_runs_of_a_scan_are_one_row():
    twice = [replace(ROW, dice=0.9, worst_slice=4), replace(ROW, dice=0.8, worst_slice=7)]
    (found,) = ranked(twice)
    assert found.dice == pytest.approx(0.85) and found.runs == 2 and found.worst_slice == 7


def test_the_table(tmp_path):
    write_csv(ranked(rows(*[0.98] * 6, 0.5)), tmp_path / "x.csv")
    lines = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert tuple(lines[0]) == COLUMNS and len(lines) == 7
    assert lines[0]["suspicious"] == "yes" and lines[0]["sides_dice"] == ""
    assert {line["suspicious"] for line in lines[1:]} == {"no"}
