"""Roles: from a file by patient, or from a hash."""

from __future__ import annotations

from collections import Counter

import pytest

from pleura.errors import UsageError
from pleura.lab.split import Split

HEADER = "set,name,patient,role\n"


@pytest.fixture
def csv(tmp_path):
    def write(*rows, header=HEADER):
        path = tmp_path / "split.csv"
        path.write_text(header + "".join(f"{row}\n" for row in rows))
        return path

    return write


def test_rows_of_the_wanted_set_are_taken(csv):
    path = csv("ct,a1,A,train", "ct,a2,A,train", "ct,b,B,validation", "other,c,C,test")
    split = Split.from_csv(path, "ct")
    assert split.of("a1") == split.of("a2") == ("A", "train")
    assert split.of("b") == ("B", "validation")
    with pytest.raises(UsageError, match="no row for 'c'"):
        split.of("c")
    assert Split.from_csv(path, "other").of("c") == ("C", "test")


def test_columns_may_come_in_any_order_with_more_beside(csv):
    path = csv("train,x,ct,a,A", header="role,note,set,name,patient\n")
    assert Split.from_csv(path, "ct").of("a") == ("A", "train")


def test_a_patient_with_two_roles_is_refused(csv):
    path = csv("ct,a1,A,train", "ct,a2,A,test")
    with pytest.raises(UsageError, match="a patient has exactly one"):
        Split.from_csv(path, "ct")


def test_a_patient_with_two_roles_in_two_sets_is_refused(csv):
    """Sets share a store, so such a patient would be trained and tested on."""
    path = csv("ct,a,A,train", "slices,s,A,test")
    for source in ("ct", "slices"):
        with pytest.raises(UsageError, match="a patient has exactly one"):
            Split.from_csv(path, source)


def test_what_is_no_split_file_is_refused(csv, tmp_path):
    with pytest.raises(UsageError, match="role 'holdout'; it must be one of train, validation"):
        Split.from_csv(csv("ct,a,A,holdout"), "ct")
    with pytest.raises(UsageError, match="no rows of the set 'mr'"):
        Split.from_csv(csv("ct,a,A,train"), "mr")
    with pytest.raises(UsageError, match=r"are set, name, patient; it needs .* patient and role"):
        Split.from_csv(csv("ct,a,A", header="set,name,patient\n"), "ct")
    with pytest.raises(UsageError, match=r"no file .*missing\.csv; check the path of the split"):
        Split.from_csv(tmp_path / "missing.csv", "ct")
    (tmp_path / "split.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UsageError, match="is no split file"):
        Split.from_csv(tmp_path / "split.csv", "ct")


def test_the_hash_is_the_same_everywhere_and_keeps_the_shares():
    split = Split.by_hash()
    # literal, so that a change of the rule can't go unnoticed
    known = {"scan-0": "validation", "scan-2": "train", "scan-6": "test"}
    assert {name: split.of(name)[1] for name in known} == known
    assert split.of("scan-0")[0] == "scan-0"
    roles = Counter(split.of(f"scan-{n}")[1] for n in range(4000))
    assert roles["train"] == pytest.approx(2800, abs=120)
    assert roles["validation"] == pytest.approx(600, abs=80)
    assert roles["test"] == pytest.approx(600, abs=80)


def test_a_scan_with_two_patients_is_refused(csv):
    path = csv("ct,a,A,train", "ct,a,B,train")
    with pytest.raises(UsageError, match="gives 'a' two patients"):
        Split.from_csv(path, "ct")
    same = csv("ct,a,A,train", "ct,a,A,train", "other,a,B,train")
    assert Split.from_csv(same, "ct").of("a") == ("A", "train")


def test_the_hash_is_the_patient_s(csv):
    split = Split.from_patients(csv("a,scan-6", "b,scan-6", "c,scan-0", header="name,patient\n"))
    assert split.of("a") == split.of("b") == ("scan-6", "test")
    assert split.of("c") == ("scan-0", "validation")
    with pytest.raises(UsageError, match="no row for 'd'"):
        split.of("d", "a study")
    assert Split.by_hash().of("d", "scan-6") == ("scan-6", "test")


def test_files_from_a_spreadsheet(csv):
    path = csv("a,P1,x", header="\ufeffname,patient,note\n")
    assert Split.from_patients(path).of("a")[0] == "P1"
    path = csv("ct,a,P1,test", header=f"\ufeff{HEADER}")
    assert Split.from_csv(path, "ct").of("a") == ("P1", "test")
    with pytest.raises(UsageError, match="an empty cell"):
        Split.from_csv(csv("ct,a,,test"), "ct")
