"""A scan that changes while it is read is no scan yet."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from pleura.errors import UnreadableError
from pleura.findings import Finding
from pleura.read import dicom, dicom_pixels
from pleura.read.dicom import read_dicom
from pleura.read.dicom_frames import Slice
from pleura.volume import HUArray
from tests.dicom_phantom import write_series

HU = np.random.default_rng(0).integers(-1024, 1500, (4, 8, 8), dtype=np.int16)
Meanwhile = Callable[[], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "scan", HU, names="numbered", overrides={"SeriesInstanceUID": "1.2"})
    return tmp_path / "scan"


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Meanwhile], None]:
    """What is given here happens between the headers and the pixels."""

    def plan(happening: Meanwhile) -> None:
        def read_pixels(slices: Sequence[Slice]) -> tuple[HUArray, list[Finding]]:
            happening()
            return dicom_pixels.read_pixels(slices)

        monkeypatch.setattr(dicom, "read_pixels", read_pixels)

    return plan


def late(folder: Path, tmp_path: Path, **overrides: object) -> Path:
    """One more file, outside the folder at first."""
    write_series(tmp_path / "late", HU[:1], names="numbered", suffix=".late", overrides={
        "SeriesInstanceUID": "1.2", "ImagePositionPatient": [0, 0, 9], **overrides,
    })  # fmt: skip
    return tmp_path / "late" / "0001.late"


def test_a_quiet_folder_is_read(folder: Path) -> None:
    np.testing.assert_array_equal(read_dicom(folder).array, HU)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + bytes(40))


def replace(file: Path) -> None:
    shutil.copy(file.with_name("0001.dcm"), file.with_name("new"))
    file.with_name("new").replace(file)


@pytest.mark.parametrize("change", [cut, grow, replace, Path.unlink])
def test_a_file_that_changes(
    folder: Path, meanwhile: Callable[[Meanwhile], None], change: Callable[[Path], object]
) -> None:
    meanwhile(lambda: change(folder / "0003.dcm"))
    with pytest.raises(UnreadableError, match=r"'0003\.dcm'.*changed while it was read; wait"):
        read_dicom(folder)


def test_a_file_of_the_series_that_comes_in(
    folder: Path, tmp_path: Path, meanwhile: Callable[[Meanwhile], None]
) -> None:
    file = late(folder, tmp_path)
    meanwhile(lambda: file.rename(folder / "late"))
    with pytest.raises(UnreadableError, match=r"'late'.*changed while it was read; wait"):
        read_dicom(folder)


def test_the_beginning_of_a_file_that_comes_in(
    folder: Path, meanwhile: Callable[[Meanwhile], None]
) -> None:
    meanwhile(lambda: (folder / "late").write_bytes(bytes(128) + b"DICM" + bytes(9)))
    with pytest.raises(UnreadableError, match="changed while it was read"):
        read_dicom(folder)


def test_other_files_may_come_in(
    folder: Path, tmp_path: Path, meanwhile: Callable[[Meanwhile], None]
) -> None:
    file = late(folder, tmp_path, SeriesInstanceUID="1.3")

    def happening() -> None:
        file.rename(folder / "another series")
        (folder / "notes.txt").write_text("done")

    meanwhile(happening)
    np.testing.assert_array_equal(read_dicom(folder).array, HU)


def test_a_file_alone_ignores_new_neighbours(
    folder: Path, tmp_path: Path, meanwhile: Callable[[Meanwhile], None]
) -> None:
    file = late(folder, tmp_path)
    meanwhile(lambda: file.rename(folder / "late"))
    np.testing.assert_array_equal(read_dicom(folder / "0002.dcm").array, HU[1:2])


def test_a_sub_folder_that_may_not_be_entered_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "private").mkdir()
    scandir = dicom_walk(monkeypatch, folder / "private")
    volume = read_dicom(folder)
    assert scandir and "'private'" in next(
        f.message for f in volume.findings if f.code == "unreadable_files"
    )


def dicom_walk(monkeypatch: pytest.MonkeyPatch, denied: Path) -> bool:
    """Let os.walk meet a folder that it may not list; tests run as root, who may."""
    import os

    original = os.scandir

    def scandir(path: object) -> object:
        if Path(str(path)) == denied:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scandir)
    return True


def test_files_that_may_not_be_opened_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UnreadableError, match=r"'0001\.dcm' in .* may not be read by you"):
        read_dicom(folder)
