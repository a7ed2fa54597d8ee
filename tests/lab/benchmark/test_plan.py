"""What is run how often; scans as other tools find them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pleura.errors import InputError, UsageError
from pleura.lab.benchmark.plan import Plan, Scan, name_of, open_scan
from tests.dicom_phantom import write_series
from tests.scans import small

PHANTOM = small()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"repeats": 0}, "--repeats must be 1 or more, not 0"),
        ({"warm_repeats": -1}, "--warm-repeats must be 0 or more"),
        ({"lungmask_repeats": 0}, "--lungmask-repeats"),
        ({"threads": 0}, "--threads"),
        ({"timeout_s": 0.0}, "--timeout must be more than 0"),
        ({"timeout_s": float("nan")}, "--timeout"),
    ],
)
def test_numbers_out_of_range(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Plan(**wrong)


def test_lungmask_may_run_less_often() -> None:
    plan = Plan(repeats=5, warm_repeats=3, lungmask_repeats=2)
    assert [plan.rounds_of(tool) for tool in ("floor", "pleura", "lungmask")] == [5, 5, 2]
    assert [plan.warm_calls_of(tool) for tool in ("pleura", "lungmask")] == [3, 2]
    assert Plan(warm_repeats=0).warm_calls_of("lungmask") == 0
    assert Plan(repeats=1, lungmask_repeats=2).rounds_of("lungmask") == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.b.nii.gz", "a.b"),
        ("x.mha", "x"),
        ("one.dcm", "one"),
        ("study.zip", "study"),
        ("chest_0000.nii.gz", "chest_0000"),
    ],
)
def test_names(path: str, name: str) -> None:
    assert name_of(Path(path)) == name


def test_a_folder_has_its_own_name(here: Path) -> None:
    assert name_of(Path()) == "here"


def test_an_image_file_is_what_everyone_reads(tmp_path: Path) -> None:
    path = tmp_path / "chest.nii.gz"
    assert open_scan(path, tmp_path) == Scan(path, (path,), path)


def read_back(scan: Scan) -> np.ndarray:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in scan.files])
    return sitk.GetArrayFromImage(reader.Execute())


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_a_dicom_folder_of_one_series(tmp_path: Path, work: Path) -> None:
    write_series(tmp_path / "ct", PHANTOM.hu, PHANTOM.geometry)
    scan = open_scan(tmp_path / "ct", work)
    assert scan.other == tmp_path / "ct" and scan.name == "ct"
    assert (read_back(scan) == PHANTOM.hu).all()
    assert list(work.iterdir()) == []


def test_of_two_series_others_get_the_chosen_one(tmp_path: Path, work: Path) -> None:
    write_series(tmp_path / "ct" / "a", PHANTOM.hu, series_number=2)
    longer = np.concatenate([PHANTOM.hu, PHANTOM.hu[:2]])
    write_series(tmp_path / "ct" / "b", longer, series_number=5)
    scan = open_scan(tmp_path / "ct", work)
    assert scan.path == tmp_path / "ct" and scan.other != scan.path
    assert (read_back(scan) == longer).all()
    shown = sorted(scan.other.iterdir())
    assert [file.resolve() for file in shown] == [file.resolve() for file in scan.files]


def test_a_zip_is_unpacked_for_others(tmp_path: Path, work: Path) -> None:
    write_series(tmp_path / "ct", PHANTOM.hu, PHANTOM.geometry)
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in (tmp_path / "ct").iterdir():
            archive.write(file, file.name)
    scan = open_scan(tmp_path / "study.zip", work)
    assert scan.path == tmp_path / "study.zip" and work in scan.other.parents
    assert (read_back(scan) == PHANTOM.hu).all()


def test_one_dicom_file(tmp_path: Path, work: Path) -> None:
    write_series(tmp_path / "ct", PHANTOM.hu, PHANTOM.geometry)
    file = sorted((tmp_path / "ct").iterdir())[0]
    assert open_scan(file, work) == Scan(file, (file,), file)


def test_no_dicom(tmp_path: Path, work: Path) -> None:
    (tmp_path / "notes").write_text("no scan")
    with pytest.raises(InputError, match="no DICOM"):
        open_scan(tmp_path / "notes", work)
