"""All of a file or none of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pleura.errors import OutputError
from pleura.write import leftovers
from pleura.write.atomic import make_folder, staging, write_bytes
from tests.scans import names


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    write_bytes(target, b"one")
    write_bytes(target, b"two")
    assert target.read_bytes() == b"two" and names(tmp_path) == ["a.bin"]


def test_others_may_read_it_as_usual(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_bytes(tmp_path / "a.bin", b"one")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), OSError(28, "full")])
def test_a_crash_while_writing_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    shown = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(shown), staging(target) as folder:
        (folder / "a.bin").write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("step", ["tempfile.mkdtemp", "os.replace", "os.fsync"])
def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(step, refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


def write_pair(folder: Path, content: str) -> None:
    with staging(folder / "m.mhd") as hidden:
        (hidden / "m.mhd").write_text(content)
        (hidden / "m.zraw").write_text(content)


def test_the_header_is_moved_after_its_voxels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    replace = os.replace

    def watch(source: Path, target: Path) -> None:
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr("os.replace", watch)
    write_pair(tmp_path, "new")
    assert moved == ["m.zraw", "m.mhd"] and names(tmp_path) == ["m.mhd", "m.zraw"]


@pytest.mark.parametrize("old", [True, False])
def test_a_crash_between_the_two_brings_the_old_pair_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    if old:
        write_pair(tmp_path, "old")
    replace = os.replace

    def fail_on_header(source: Path, target: Path) -> None:
        if Path(target).name == "m.mhd":
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr("os.replace", fail_on_header)
    with pytest.raises(OutputError, match="Input/output error"):
        write_pair(tmp_path, "new")
    assert names(tmp_path) == (["m.mhd", "m.zraw"] if old else [])
    assert all(path.read_text() == "old" for path in tmp_path.iterdir())


def test_a_nested_target_is_named_without_the_hidden_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=f"^{tmp_path}/b.png could not") as caught,
        staging(tmp_path / "b.png") as folder,
        staging(folder / "b.png"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert ".pleura-" not in str(caught.value) and names(tmp_path) == []


def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")  # there already
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file.inner can't be made \(.+\); choose another place"):
        make_folder(tmp_path / "file" / "inner")


KILLED = """
import os, sys
from pathlib import Path
from pleura.write import leftovers
from pleura.write.atomic import staging
replace = os.replace
def dies(source, target):
    if Path(target).name == sys.argv[1]:
        os._exit(9)
    replace(source, target)
os.replace = dies
with staging(Path("m.mhd")) as hidden:
    (hidden / "m.mhd").write_text("new")
    (hidden / "m.zraw").write_text("new")
"""


@pytest.mark.parametrize("at", ["m.mhd", "m.zraw"])
def test_a_killed_process_leaves_no_header_with_another_ones_voxels(
    tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pleura.write.leftovers._swept", set())
    write_pair(tmp_path, "old")
    done = subprocess.run([sys.executable, "-B", "-c", KILLED, at], cwd=tmp_path)
    assert done.returncode == 9 and not (tmp_path / "m.mhd").exists()
    leftovers._swept.clear()  # as in a new process
    write_pair(tmp_path, "newer")
    assert names(tmp_path) == ["m.mhd", "m.zraw"]
    assert all(path.read_text() == "newer" for path in tmp_path.iterdir())


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    for name, to in {"link": "real", "broken": "nowhere", "loop": "loop"}.items():
        (tmp_path / name).symlink_to(tmp_path / to)
        write_bytes(tmp_path / name, b"new")
        assert not (tmp_path / name).is_symlink() and (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "real").read_bytes() == b"old"
    assert names(tmp_path) == ["broken", "link", "loop", "real"]
