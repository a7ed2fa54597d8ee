"""Links, pipes, devices, permissions and names: nothing hangs, nothing is passed over silently."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import pleura
from pleura.errors import UnreadableError, UsageError
from pleura.read import archive, existing, files, nifti, read
from pleura.volume import Geometry, sitk_image
from pleura.write import check_output
from tests.dicom_phantom import write_series
from tests.scans import save, small

HU = small().hu


def a_loop(folder: Path) -> Path:
    (folder / "a.nii").symlink_to(folder / "b.nii")
    (folder / "b.nii").symlink_to(folder / "a.nii")
    return folder / "a.nii"


def a_broken_link(folder: Path) -> Path:
    (folder / "a.nii").symlink_to(folder / "none.nii")
    return folder / "a.nii"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.nii")
    return folder / "a.nii"


def a_link_to_a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    (folder / "a.nii.gz").symlink_to(folder / "pipe")
    return folder / "a.nii.gz"


def a_device(folder: Path) -> Path:
    (folder / "scan.nii").symlink_to("/dev/zero")
    return folder / "scan.nii"


def a_kernel_file(folder: Path) -> Path:
    """Of size 0, as all that block when they are read."""
    return Path("/proc/kmsg")


def an_empty_file(folder: Path) -> Path:
    (folder / "a.nii").touch()
    return folder / "a.nii"


def nobodys_home(folder: Path) -> Path:
    return Path("~nobody-of-this-name/a.nii")


def a_long_name(folder: Path) -> Path:
    return folder / ("x" * 300 + ".nii")


NO_SCANS = (a_loop, a_broken_link, a_pipe, a_link_to_a_pipe, a_device, a_kernel_file,
            an_empty_file, nobodys_home, a_long_name)  # fmt: skip


@pytest.mark.parametrize("make", NO_SCANS)
def test_what_is_no_scan(tmp_path: Path, make) -> None:
    path = make(tmp_path)
    with pytest.raises(
        UnreadableError,
        match=r"does not exist or can't be reached|is a pipe, socket or device|empty",
    ):
        read(path)


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.dcm")
        with pytest.raises(UnreadableError, match="socket"):
            read("a.dcm")


def test_a_folder_full_of_oddities_is_read(tmp_path: Path) -> None:
    """Every one of them would hang or loop; the series is whole all the same."""
    folder = tmp_path / "scan"
    write_series(folder, HU)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    (folder / "self").symlink_to(folder / "self")
    (folder / "broken").symlink_to(folder / "none")
    (folder / "zero.dcm").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.dcm")
    (folder / "empty.dcm").touch()
    read_array = read(folder).array
    assert np.array_equal(read_array, HU)


def test_a_link_to_the_scan_is_followed(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", HU)
    (tmp_path / "link").symlink_to(tmp_path / "scan", target_is_directory=True)
    assert np.array_equal(read(tmp_path / "link").array, HU)
    save(tmp_path / "a.nii", HU)
    (tmp_path / "b.nii").symlink_to(tmp_path / "a.nii")
    assert np.array_equal(read(tmp_path / "b.nii").array, HU)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe scan")
    try:
        (tmp_path / name).mkdir()
    except OSError:
        pytest.skip("needs ../shared machines' file systems, which take any name")
    nifti, metaimage = save(tmp_path / "a.nii.gz", HU), save(tmp_path / "a.mha", HU)
    assert np.array_equal(read(shutil.move(nifti, tmp_path / name)).array, HU)
    with pytest.raises(UnreadableError, match="no UTF-8"):  # over which ITK aborts
        read(shutil.move(metaimage, tmp_path / name))
    with pytest.raises(UsageError, match=r"no UTF-8, .* use \.nii\.gz"):
        check_output(tmp_path / name / "mask.mha", None)
    check_output(tmp_path / name / "mask.nii", None)
    write_series(tmp_path / name / "ct", HU)
    assert np.array_equal(read(tmp_path / name / "ct").array, HU)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [save(tmp_path / f"a{suffix}", HU) for suffix in (".nii.gz", ".mha", ".mhd", ".nrrd")]
    (tmp_path / "a.zip").write_bytes(b"PK")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    monkeypatch.setattr(nifti, "open_gzip", refuse)
    monkeypatch.setattr(archive, "_Stream", refuse)
    for path in (*paths, tmp_path / "a.zip"):
        with pytest.raises(UnreadableError, match="permissions"):
            read(path)


def test_existing_gives_the_path_back(tmp_path: Path) -> None:
    assert existing(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.nrrd", "a.tif"])
def test_a_scan_that_grows_while_it_is_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    image = sitk_image(HU[:1] if name == "a.tif" else HU, Geometry.from_parts(HU.shape))
    sitk.WriteImage(image, str(path))
    pleura.read(path)
    data = tmp_path / "a.raw" if name == "a.mhd" else path

    def grow(*given: object) -> object:
        with data.open("ab") as file:
            file.write(b"more")
        return whole(*given)

    where = "read_nifti" if ".nii" in name else "from_sitk"
    whole = getattr(files, where)
    monkeypatch.setattr(files, where, grow)
    with pytest.raises(UnreadableError, match="changed while it was read; wait until"):
        pleura.read(path)


def test_a_file_cut_while_it_is_read_does_not_end_the_process(tmp_path: Path) -> None:
    """The voxels are ours: memory that maps a file dies with the file's end (SIGBUS)."""
    path = save(tmp_path / "a.nii", HU)
    volume = pleura.read(path)
    path.write_bytes(b"")
    assert np.array_equal(volume.array, HU)
