"""What killed processes left is removed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pleura.write import leftovers
from pleura.write.atomic import write_bytes
from pleura.write.leftovers import (
    machine,
    make_temporary,
    of_this_process,
    remove_leftovers,
    temporary_folder,
)
from tests.scans import names


@pytest.fixture(scope="module")
def gone() -> int:
    """The id of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_only_this_machines_dead_processes_are_cleaned_up_after(tmp_path: Path, gone: int) -> None:
    here = machine()
    dead = [f".pleura-{here}-{gone}.abc_1", f".pleura-{here}-{gone}"]
    others = [
        f".pleura-{here}-{os.getppid()}.abc", f".pleura-{here}-{os.getpid()}.abc",
        f".pleura-{here}-7-{gone}.abc", f".pleura-elsewhere-{gone}.abc", f".pleura-{gone}.abc",
        f".pleura-{here}-{gone}.abc.txt", f".other-{here}-{gone}.abc", f".pleura-{here}-.abc",
    ]  # fmt: skip
    for name in (*dead, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mask.nii").touch()
    (tmp_path / "mask.nii").touch()
    remove_leftovers(tmp_path, ".pleura-")
    assert {path.name for path in tmp_path.iterdir()} == {*others, "mask.nii"}


def test_the_next_output_removes_them(tmp_path: Path, gone: int) -> None:
    left = tmp_path / f".pleura-{machine()}-{gone}.abc"
    left.mkdir()
    (left / "a.bin").write_bytes(b"half")
    write_bytes(tmp_path / "b.bin", b"whole")
    assert names(tmp_path) == ["b.bin"]


def test_a_link_is_not_followed(tmp_path: Path, gone: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / f".pleura-{machine()}-{gone}.abc").symlink_to(tmp_path / "kept")
    remove_leftovers(tmp_path, ".pleura-")
    assert (tmp_path / "kept" / "file").exists()


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(leftovers, "remove_leftovers", lambda *given: calls.append(given))
    for _ in range(3):
        make_temporary(tmp_path, ".pleura-")
    assert calls == [(tmp_path, ".pleura-")]
    assert all(path.name.startswith(of_this_process(".pleura-")) for path in tmp_path.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_folder_goes_with_the_block(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), temporary_folder(tmp_path, "x-") as folder:
        (folder / "a").mkdir()
        raise error
    assert names(tmp_path) == []
