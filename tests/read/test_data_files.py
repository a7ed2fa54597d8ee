"""Data files that a header names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pleura
from pleura.errors import PleuraError, UnreadableError
from pleura.read.data_files import named_files
from pleura.read.files import read_grid
from tests.read.test_limits import meta, nrrd

SHAPE = (4, 6, 5)
HU = np.random.default_rng(0).integers(-1000, 1000, SHAPE, dtype=np.int16)
PLANES = [f"p{k}.raw" for k in range(1, 5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, plane in zip(PLANES, HU, strict=True):
        (tmp_path / name).write_bytes(plane.tobytes())
    (tmp_path / "whole.raw").write_bytes(HU.tobytes())
    return tmp_path


def header(folder: Path, suffix: str, name: str) -> Path:
    path = folder / f"scan{suffix}"
    shape = SHAPE[::-1]
    if suffix == ".mhd":
        path.write_bytes(meta(shape, name=name, data=b""))
    else:
        path.write_bytes(nrrd(shape, data=b"").rstrip(b"\n") + f"\ndata file: {name}\n".encode())
    return path


both = pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])


@both
@pytest.mark.parametrize(
    "name", ["whole.raw", "p%d.raw 1 4 1", "p%01d.raw 1 4 1", "LIST\n" + "\n".join(PLANES)]
)
def test_names_that_are_read(folder: Path, suffix: str, name: str) -> None:
    if suffix == ".nhdr":  # it says of how many dimensions each file is
        name = name.replace("LIST", "LIST 2").replace(" 1 4 1", " 1 4 1 2")
    assert np.array_equal(read_grid(header(folder, suffix, name))[0], HU)


@both
def test_a_name_may_lead_elsewhere(folder: Path, suffix: str) -> None:
    """Who gives a header names its data with it; zip files never get this far."""
    (folder / "sub").mkdir()
    for name in (str(folder / "whole.raw"), "../whole.raw"):
        assert np.array_equal(read_grid(header(folder / "sub", suffix, name))[0], HU)


@both
@pytest.mark.parametrize(
    "name",
    ["p%s%s%s%s%n.raw 1 4 1", "%n%n%n%n", "p%d%s%n.raw 1 4 1 2", "50%.raw", "p%99999999d.raw 1 4 1",
     "p%-5d.raw 1 4 1", "p%d.raw one 4 1"],
)  # fmt: skip
def test_names_that_crash_itk(folder: Path, suffix: str, name: str) -> None:
    """ITK gives such names to C's printf."""
    (folder / name.split()[0]).write_bytes(HU.tobytes())
    with pytest.raises(UnreadableError, match="no number's place"):
        pleura.read(header(folder, suffix, name))


def test_itk_does_crash(folder: Path) -> None:
    """Once it doesn't, names with a '%' need no rule."""
    program = "import sys, SimpleITK; SimpleITK.ReadImage(sys.argv[1])"
    path = header(folder, ".mhd", "p%s%s%s%s%n.raw 1 4 1")
    done = subprocess.run([sys.executable, "-c", program, str(path)], stderr=subprocess.DEVNULL)
    assert done.returncode < 0


@both
@pytest.mark.parametrize("kind", ["missing", "pipe", "folder", "device", "loop"])
def test_what_is_no_file(folder: Path, suffix: str, kind: str) -> None:
    data = folder / "data"
    match kind:
        case "pipe":
            os.mkfifo(data)
        case "folder":
            data.mkdir()
        case "device":
            data.symlink_to("/dev/zero")
        case "loop":
            data.symlink_to(data)
    for name in ("data", "LIST 2\np1.raw\np2.raw\ndata\np4.raw"):
        with pytest.raises(UnreadableError, match="names its data file 'data', which is missing"):
            pleura.read(header(folder, suffix, name))


@both
@pytest.mark.parametrize("name", ["p%d.raw 1 300000000 1 2", "p%d.raw 5 4 1 2", "LIST 2\n"])
def test_numbers_of_files(folder: Path, suffix: str, name: str) -> None:
    with pytest.raises(UnreadableError, match=r"data files or more|missing"):
        pleura.read(header(folder, suffix, name))


def test_a_short_one_of_several(folder: Path) -> None:
    (folder / "p3.raw").write_bytes(b"short")
    for suffix, name in ((".mhd", "p%d.raw 1 4 1"), (".nhdr", "p%d.raw 1 4 1 2")):
        with pytest.raises(UnreadableError, match="cut off"):
            pleura.read(header(folder, suffix, name))


def test_too_many(tmp_path: Path) -> None:
    with pytest.raises(PleuraError, match=r"8193 data files or more"):
        named_files(tmp_path / "a.mhd", "p%d.raw 1 999999999 1", [], 4)
