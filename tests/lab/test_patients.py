from __future__ import annotations

from pathlib import Path

import pytest

from pleura.errors import UsageError
from pleura.lab.patients import check_patients, owners, read_patients


def test_names_and_patients(tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    table.write_text("\ufeffpatient,name,note\nA,s1,x\nB,s2,\nA,s3,\nA,s3,again\n", "utf-8")
    patients = read_patients(table)
    assert patients == {"s1": "A", "s2": "B", "s3": "A"}
    assert owners(["s3", "s9"], patients) == ["A", "s9"]
    assert owners(["s3"], None) == ["s3"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "check the path of the table of patients"),
        ("name,who\ns1,A\n", "its columns are name, who; it needs .* name and patient.$"),
        ("name;patient\ns1;A\n", "its columns are name;patient; .* patient, separated by commas"),
        ("", "it is empty; it needs the columns name and patient"),
        ("name,patient\ns1,A\ns1,B\n", "'s1' two patients"),
        ("name,patient\ns1\n", "without name or patient"),
        ("name,patient\n", "names no scan"),
    ],
)
def test_unusable_tables(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "p.csv").write_text(content)
    with pytest.raises(UsageError, match=rf"p\.csv.*{words}") as error:
        read_patients(tmp_path / "p.csv")
    assert "Errno" not in str(error.value)


def test_every_scan_needs_a_row(tmp_path: Path) -> None:
    check_patients({"a": "1", "b": "2"}, ["a"], tmp_path / "p.csv")
    with pytest.raises(UsageError, match="no row for 'b' and 1 more"):
        check_patients({"a": "1"}, ["c", "a", "b"], tmp_path / "p.csv")
