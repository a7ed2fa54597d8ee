"""`pleura.read` finds the reader by what the path is."""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pleura
from pleura.errors import UnreadableError, UsageError
from tests.dicom_phantom import write_series
from tests.scans import save, small

PHANTOM = small()


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "Ünï series"
    write_series(folder, PHANTOM.hu, PHANTOM.geometry, series_number=7, names="numbered")
    return folder


def test_a_dicom_folder(series: Path) -> None:
    volume = pleura.read(series)
    assert np.array_equal(volume.array, PHANTOM.hu) and volume.geometry.matches(PHANTOM.geometry)
    assert volume.format == "dicom" and volume.source == series
    for wanted in (7, "7", volume.series[0]["uid"]):
        assert np.array_equal(pleura.read(series, series=wanted).array, PHANTOM.hu)


def test_a_zip_of_dicom(series: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.ZIP"
    with zipfile.ZipFile(path, "w") as archive:
        for file in series.iterdir():
            archive.write(file, f"export/{file.name}")
    volume = pleura.read(path, series=7)
    assert np.array_equal(volume.array, PHANTOM.hu) and volume.source == path


@pytest.mark.parametrize("name", ["IM000001", "scan.IMA", "1.2.840.10008", "a.DCM"])
def test_one_dicom_file_by_any_name(series: Path, tmp_path: Path, name: str) -> None:
    path = (series / "0002.dcm").rename(tmp_path / name)
    assert np.array_equal(pleura.read(path).array, PHANTOM.hu[1:2])


def test_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "a.nii", PHANTOM.hu)
    assert np.array_equal(pleura.read("~/a.nii").array, PHANTOM.hu)


@pytest.mark.parametrize("path", ["none.nii", "no/such/folder", "x" * 5000 + ".nii", "a\0b.nii"])
def test_nothing_there(path: str) -> None:
    with pytest.raises(UnreadableError, match="does not exist"):
        pleura.read(path)


def test_options_that_do_not_fit(series: Path, tmp_path: Path) -> None:
    nifti = save(tmp_path / "a.nii", PHANTOM.hu)
    with pytest.raises(UsageError, match="without series"):
        pleura.read(nifti, series=1)
    for path in (nifti, series):
        with pytest.raises(UsageError, match="Spacing is for numpy arrays"):
            pleura.read(path, spacing=(1, 1, 1))
    with pytest.raises(UsageError, match="no series '9'; found: series 7 'CHEST'"):
        pleura.read(series, series=9)


def test_the_function_is_not_shadowed_by_its_package() -> None:
    for module in ("read", "read.files", "read.dicom", "segmenter", "write", "cli.segment"):
        importlib.import_module(f"pleura.{module}")
    assert callable(pleura.read) and callable(pleura.segment)
    from pleura import read

    assert callable(read)


def test_errors_in_a_zip_name_the_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        archive.writestr("notes.txt", "no scan here")
    with pytest.raises(pleura.UnreadableError) as caught:
        pleura.read(tmp_path / "scan.zip")
    assert "scan.zip" in str(caught.value)
    assert "pleura-zip-" not in str(caught.value)
