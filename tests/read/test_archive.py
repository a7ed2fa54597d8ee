"""`extract_zip` unpacks good files and refuses bad ones."""

from __future__ import annotations

import errno
import stat
import struct
import zipfile
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import numpy as np
import pytest

from pleura.errors import PleuraError, UnreadableError
from pleura.read import archive, read
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
    [
        "../evil",
        "a/../../evil",
        "/evil",
        "C:/evil",
        "..\\evil",
        "\\\\host\\evil",
        "x" * 300,
        "a/" + "x" * 256 + "/b",
        "x/" * 2000 + "b",
    ],
)
def test_unsafe_names(tmp_path: Path, into: Path, name: str) -> None:
    path = make_zip(tmp_path / "x.zip", {"good": b"1", name: b"2"})
    with pytest.raises(UnreadableError, match="unsafe member"):
        extract_zip(path, into)
    assert not list(into.iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["into", "x.zip"]


def test_a_long_path_of_short_names(tmp_path: Path, into: Path) -> None:
    """Archives put files into folders named after UIDs."""
    name = "/".join(["1." + "2" * 62] * 6)
    extract_zip(make_zip(tmp_path / "x.zip", {name: b"1"}), into)
    assert (into / name).read_bytes() == b"1"


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


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_kinds_that_python_unpacks_in_one_piece(tmp_path: Path, into: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", kind) as file:
        file.writestr("a", bytes(5000))
    with pytest.raises(UnreadableError, match="a compression that can't be unpacked"):
        extract_zip(tmp_path / "x.zip", into)


def edited(path: Path, offset: int, value: bytes) -> Path:
    """Write into each entry of the zip's directory."""
    data = bytearray(path.read_bytes())
    start = data.find(b"PK\x01\x02")
    while start >= 0:
        data[start + offset : start + offset + len(value)] = value
        start = data.find(b"PK\x01\x02", start + 46)
    path.write_bytes(data)
    return path


def test_members_that_overlap(tmp_path: Path, into: Path) -> None:
    """As in Fifield's bomb: every member's entry points to the same compressed bytes."""
    noise = np.random.default_rng(0).bytes(3000)
    path = make_zip(tmp_path / "x.zip", dict.fromkeys("abcdefgh", noise))
    with zipfile.ZipFile(path) as file:
        size = sum(member.compress_size for member in file.infolist())
    data = path.read_bytes()
    first = data[: data.index(b"PK\x03\x04", 4)]
    directory = data[data.index(b"PK\x01\x02") :]
    end = directory.rindex(b"PK\x05\x06")
    moved = directory[: end + 16] + struct.pack("<I", len(first)) + directory[end + 20 :]
    path.write_bytes(first + moved)
    edited(path, 42, struct.pack("<I", 0))
    assert path.stat().st_size < size
    with pytest.raises(UnreadableError, match="overlap"):
        extract_zip(path, into)
    assert not list(into.iterdir())


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (20, struct.pack("<II", 2**32 - 1, 2**32 - 1)),  # sizes of zip64, without its field
        (24, struct.pack("<I", 2**32 - 2)),  # 4 GB unpacked
        (20, struct.pack("<I", 2**31)),  # 2 GB packed
        (42, struct.pack("<I", 2**31)),  # far behind the end
        (16, b"\0\0\0\0"),  # checksum
    ],
)
def test_a_directory_that_lies(tmp_path: Path, into: Path, offset: int, value: bytes) -> None:
    path = make_zip(tmp_path / "x.zip", {"a": np.random.default_rng(0).bytes(5000)})
    with pytest.raises(UnreadableError):
        extract_zip(edited(path, offset, value), into)


def test_a_name_that_is_no_utf8(tmp_path: Path, into: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"ä": b"1"})
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(UnreadableError, match="damaged"):
        extract_zip(path, into)


def test_a_list_too_long_for_memory(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 70_000)  # a comment's 65,535 still pass
    path = make_zip(tmp_path / "x.zip", {str(k): b"" for k in range(2000)})
    with pytest.raises(UnreadableError, match="lists far more than"):
        extract_zip(path, into)


def test_what_may_stand_in_a_zip(tmp_path: Path, into: Path) -> None:
    """A zip within, empty files, names that differ in case only, a comment, a data descriptor."""
    inner = make_zip(tmp_path / "inner.zip", {"../evil": b"1"}).read_bytes()
    members = {"inner.zip": inner, "a": b"1", "A": b"2", "empty": b""}
    path = make_zip(tmp_path / "x.zip", members)
    with zipfile.ZipFile(path, "a") as file:
        file.comment = b"c" * 65_535
        with file.open("streamed", "w") as stream:
            stream.write(b"3")
    extract_zip(path, into)
    found = {file.name: file.read_bytes() for file in into.iterdir()}
    assert found == {"inner.zip": inner, "a": b"1", "A": b"2", "streamed": b"3"}


def test_control_characters_are_not_printed(tmp_path: Path, into: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"good": b"1", "../\x1b[2Jevil": b"2"})
    with pytest.raises(UnreadableError, match=r"\\x1b\[2Jevil") as caught:
        extract_zip(path, into)
    assert "\x1b" not in str(caught.value)


def test_windows_devices() -> None:
    for name in ("NUL", "a/con.dcm", "Com1.txt", "a:stream", "lpt9 .x"):
        assert archive._is_windows_special(PureWindowsPath(name))
    for name in ("nuls", "a/contrast.dcm", "com10", "IM-0001.dcm"):
        assert not archive._is_windows_special(PureWindowsPath(name))


@pytest.mark.parametrize("step", ["mkdir", "open", "write"])
def test_a_full_disk(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = make_zip(tmp_path / "x.zip", {"sub/a": b"1" * 100})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "write":
        monkeypatch.setattr(archive, "_check_size", full)  # called before each chunk is written
        monkeypatch.setattr(archive, "_check_sizes", lambda *_: None)
    else:
        monkeypatch.setattr(f"pathlib.Path.{step}", full)
    with pytest.raises(PleuraError, match=r"\(No space left on device\); free .* TMPDIR") as caught:
        extract_zip(path, into)
    assert caught.value.exit == 1


def test_too_little_space_is_seen_before(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "x.zip", {"a": bytes(10**6)})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(PleuraError, match=r"unpacks to 0\.001 GB, but .* has 1e-06 GB") as caught:
        extract_zip(path, into)
    assert caught.value.exit == 1 and not list(into.iterdir())


def test_an_error_leaves_no_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = make_zip(tmp_path / "x.zip", {"a": b"no DICOM"})
    with pytest.raises(UnreadableError, match=r"x\.zip' holds no DICOM"):
        read(path)
    assert not list((tmp_path / "tmp").iterdir())


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
