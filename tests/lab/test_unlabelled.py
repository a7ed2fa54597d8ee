"""Which scans there are in what a user names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.errors import UnreadableError
from pleura.lab.unlabelled import unlabelled_scans
from tests.dicom_phantom import write_series
from tests.scans import save, small


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Image files, two folders of DICOM, and things that are none."""
    folder, phantom = tmp_path_factory.mktemp("tree"), small()
    (folder / "set").mkdir()
    for name in ("b.nii.gz", "a.mha", ".hidden.nii"):
        save(folder / "set" / name, phantom.hu, phantom.geometry)
    (folder / "set" / "notes.txt").write_text("mine")
    (folder / "set" / "empty").mkdir()
    for name in ("p1", "p2"):
        write_series(folder / "set" / name / "series", phantom.hu, phantom.geometry)
    return folder


def test_a_folder_holds_image_files_and_dicom_folders(tree: Path) -> None:
    found, left_out = unlabelled_scans([tree / "set"])
    assert found == {
        "a": tree / "set" / "a.mha",
        "b": tree / "set" / "b.nii.gz",
        "p1": tree / "set" / "p1",
        "p2": tree / "set" / "p2",
    }
    assert left_out == []


def test_a_folder_of_dicom_files_is_one_scan(tree: Path) -> None:
    folder = tree / "set" / "p1" / "series"
    assert unlabelled_scans([folder])[0] == {"series": folder}


def test_a_name_is_given_once(tree: Path, tmp_path: Path) -> None:
    phantom = small()
    other = save(tmp_path / "a.nii", phantom.hu, phantom.geometry)
    mine = tree / "set" / "a.mha"
    found, left_out = unlabelled_scans([mine, other, mine])
    assert found == {"a": mine}
    assert [str(left) for left in left_out] == [f"a: {other} has the name of {mine}; rename one"]


def test_nothing_there(tree: Path, tmp_path: Path) -> None:
    assert unlabelled_scans([tree / "set" / "empty"]) == ({}, [])
    with pytest.raises(UnreadableError, match="does not exist"):
        unlabelled_scans([tmp_path / "nowhere"])
