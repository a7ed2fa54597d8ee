"""`extract_zip` unpacks good files and refuses bad ones."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pleura.errors import UnreadableError
from pleura.read import archive
from pleura.read.archive import extract_zip
from pleura.read.dicom import read_dicom
from tests.dicom_phantom import write_series


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_a_series_survives(tmp_path: Path, into: Path) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, (3, 4, 5))
    write_series(tmp_path / "scan", hu)
    members = {f"a/b/{f.name}": f.read_bytes() for f in (tmp_path / "scan").iterdir()}
    folder = extract_zip(make_zip(tmp_path / "scan.zip", {**members, "a/empty/": b""}), into)
    assert folder == into
    np.testing.assert_array_equal(read_dicom(folder).array, hu)


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil", "\\\\host\\evil", "x" * 300],
)
def test_unsafe_names(tmp_path: Path, into: Path, name: str) -> None:
    path = make_zip(tmp_path / "x.zip", {"good": b"1", name: b"2"})
    with pytest.raises(UnreadableError, match="unsafe member"):
        extract_zip(path, into)
    assert not list(into.iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["into", "x.zip"]


def test_links(tmp_path: Path, into: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc")
    with pytest.raises(UnreadableError, match="unsafe member"):
        extract_zip(path, into)


def test_a_bomb(tmp_path: Path, into: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"zeros": bytes(65 * 2**20)})
    with pytest.raises(UnreadableError, match="200 times"):
        extract_zip(path, into)
    assert not list(into.iterdir())


def test_a_bomb_that_lies_about_its_size(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory says 10 bytes; what is written is counted, and zipfile stops at 10."""
    monkeypatch.setattr(archive, "_RATIO_COUNTS_ABOVE", 1000)
    path = make_zip(tmp_path / "x.zip", {"zeros": bytes(10**6)})
    data = path.read_bytes().replace(struct.pack("<I", 10**6), struct.pack("<I", 10))
    path.write_bytes(data)
    with pytest.raises(UnreadableError):
        extract_zip(path, into)
    assert sum(f.stat().st_size for f in into.iterdir()) <= 10


def test_limits(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "x.zip", {str(k): bytes(100) for k in range(5)})
    monkeypatch.setattr(archive, "MAX_BYTES", 499)
    with pytest.raises(UnreadableError, match="unpacks to more"):
        extract_zip(path, into)
    monkeypatch.setattr(archive, "MAX_FILES", 4)
    with pytest.raises(UnreadableError, match="5 files"):
        extract_zip(path, into)


def test_encrypted(tmp_path: Path, into: Path) -> None:
    """The flag alone decides: bit 0, in the local header and in the directory."""
    data = bytearray(make_zip(tmp_path / "x.zip", {"a": b"1"}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UnreadableError, match="encrypted"):
        extract_zip(tmp_path / "x.zip", into)


def test_empty(tmp_path: Path, into: Path) -> None:
    with pytest.raises(UnreadableError, match="empty"):
        extract_zip(make_zip(tmp_path / "x.zip", {"folder/": b""}), into)


def test_two_members_of_one_name(tmp_path: Path, into: Path) -> None:
    with pytest.raises(UnreadableError, match="one name"):
        extract_zip(make_zip(tmp_path / "x.zip", {"a": b"1", "./a": b"2"}), into)
    with pytest.raises(UnreadableError, match="one name"):
        extract_zip(make_zip(tmp_path / "y.zip", {"b": b"1", "b/c": b"2"}), into)


@pytest.mark.parametrize("damage", ["garbage", "cut", "flipped"])
def test_damaged(tmp_path: Path, into: Path, damage: str) -> None:
    path = make_zip(tmp_path / "x.zip", {"a": np.random.default_rng(0).bytes(5000)})
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data = bytearray(b"PK no zip")
    elif damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[2500] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match="damaged"):
        extract_zip(path, into)
