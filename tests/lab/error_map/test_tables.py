"""Means over scans, doubtful references apart, a finding a line."""

from __future__ import annotations

from pleura.lab.error_map.rows import RegionRow, ScanRow
from pleura.lab.error_map.tables import findings_of, tables


def volume(scan: str, role: str, grade: str, dice: float, **more: object) -> ScanRow:
    return ScanRow(
        "volumes",
        scan,
        scan,
        role,
        grade,
        "mass",
        2.0,
        dice,
        1.5,
        0.98,
        10.0,
        5.0,
        900.0,
        -450.0,
        -300.0,
        **more,
    )


def sick(scan: str, patient: str, role: str, finding: str, dice: float) -> ScanRow:
    return ScanRow(
        "sick_slices", scan, patient, role, "A", finding, 5.0, dice, 3.0, 0.9, 1.0, 2.0,
        0.0 if finding.startswith("no") else 30.0,
    )  # fmt: skip


def region(scan: str, role: str, grade: str, name: str, share: float) -> RegionRow:
    return RegionRow(
        "volumes", scan, role, grade, "place", name, 50.0, 10 * share, 0.0, share, 0.25, 0.5, 1.5
    )


SCANS = [
    volume("v1", "validation", "A", 0.99),
    volume("t1", "train", "A", 0.98),
    volume("t2", "train", "C", 0.9),
    sick("s1", "P1", "train", "collapse, effusion", 0.8),
    sick("s2", "P1", "validation", "effusion", 0.9),
    sick("s3", "P2", "train", "no lung (bowel gas)", 0.0),
    sick("s4", "P3", "train", "no lung (neck)", 1.0),
]
REGIONS = [
    region("v1", "validation", "A", "apex", 0.25),
    region("v1", "validation", "A", "base", 0.75),
    region("t1", "train", "A", "base", 1.0),
    region("t2", "train", "C", "hilum", 1.0),
]


def cells(name: str) -> list[list[str]]:
    lines = tables(SCANS, REGIONS, "error-map")[name]
    return [[word.strip() for word in line.split("|")[1:-1]] for line in lines[2:]]


def test_regions_leave_doubtful_references_out() -> None:
    rows = cells("places")
    assert [row[0] for row in rows] == ["apex", "base"]
    base = rows[1]
    assert base[1:8] == ["2", "75 %", "25 %", "7.50", "0.00", "0.50", "1.50"]
    assert base[8] == "100 %" and base[-1] == "t1 100 %, 1.50"


def test_volumes_name_their_worst_regions() -> None:
    rows = {row[0]: row for row in cells("volumes")}
    assert rows["v1"][-1] == "base 75 %; apex 25 %"
    assert rows["t2"][-1] == "hilum 100 %"  # with a line of its own
    assert rows["v1"][4:10] == ["0.9900", "1.50", "0.980", "10.0", "5.0", "-450, -300"]


def test_a_slice_counts_in_each_of_its_findings() -> None:
    rows = {row[0]: row for row in cells("findings")}
    assert list(rows) == ["no lung", "collapse", "effusion"]  # worst first
    assert rows["effusion"][1:4] == ["2 (1)", "0.8500", "0.8000 (s1)"]
    assert rows["effusion"][-1] == "1, 0.9000" and rows["collapse"][-1] == "-"
    assert rows["no lung"][1] == "2 (2)"
    assert findings_of("diaphragm, bowel gas") == ["diaphragm", "bowel gas"]


def test_attributes_leave_slices_without_lung_out() -> None:
    rows = {(row[0], row[1]): row for row in cells("attributes")}
    assert rows["volumes", "slices to 2.5 mm"][2] == "3"
    assert rows["sick_slices", "train"][2] == "1"
    assert rows["volumes", "grade C"][3] == "0.9000"


def test_every_table_has_as_many_fields_as_its_head() -> None:
    found = tables(SCANS, REGIONS, "error-map")
    for name in set(found) - {"run", "pictures"}:
        assert len({line.count("|") for line in found[name]}) == 1, name
    assert "2 volumes (train)" in found["run"][0]


def test_pictures_are_linked_with_their_source() -> None:
    shown = volume("lidc1", "train", "A", 0.9, picture="train-lidc1.png", worst_slice=7)
    lines = tables([*SCANS, shown], REGIONS, "error-map")["pictures"]
    assert "](error-map/train-lidc1.png)" in lines[0] and "slice 7" in lines[0]
    assert "CC BY" in lines[2]
    assert tables(SCANS, REGIONS, "error-map")["pictures"] == ["None."]
