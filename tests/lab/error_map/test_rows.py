"""Rows survive their CSV; a file that isn't theirs is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.errors import UnreadableError
from pleura.lab.error_map.rows import (
    RegionRow,
    ScanRow,
    read_regions,
    read_scans,
    write_regions,
    write_scans,
)

SCAN = ScanRow("volumes", "one", "P1", "train", "A", "mass, effusion", 2.5, 0.99, None, 0.5)
MAPPED = ScanRow(
    "sick_slices", "two", "P2", "validation", "B", "normal", worst_slice=7, picture="two.png",
)  # fmt: skip
REGION = RegionRow("volumes", "one", "train", "A", "place", "apex", 100.0, 1.25, 0.5, 0.25)


def test_there_and_back(tmp_path: Path) -> None:
    write_scans([SCAN, MAPPED], tmp_path / "scans.csv")
    assert read_scans(tmp_path / "scans.csv") == [SCAN, MAPPED]
    write_regions([REGION], tmp_path / "regions.csv")
    assert read_regions(tmp_path / "regions.csv") == [REGION]
    assert REGION.error_ml == 1.75


def test_numbers_have_five_digits(tmp_path: Path) -> None:
    file = tmp_path / "regions.csv"
    write_regions([RegionRow("v", "s", "r", "A", "place", "apex", 1 / 3)], file)
    assert file.read_text().splitlines()[1] == "v,s,r,A,place,apex,0.33333,,,,,,,"


@pytest.mark.parametrize("text", [None, "a,b\n1,2\n"], ids=["missing", "other"])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "scans.csv"
    if text is not None:
        file.write_text(text)
    for reader in (read_scans, read_regions):
        with pytest.raises(UnreadableError, match=r"scans\.csv"):
            reader(file)


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scans.csv"
    write_scans([SCAN], file)
    file.write_text(file.read_text().replace("0.99", "much"))
    with pytest.raises(UnreadableError, match="damaged"):
        read_scans(file)
