"""The result can't be written: one sentence, nothing left behind, old files as they were."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pleura.write import atomic
from tests.scans import Pleura, Run, assert_refused, caller, names, without_network


@pytest.fixture
def pleura(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pleura:
    without_network(monkeypatch)
    return caller(capfd)


both = pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])


@pytest.mark.parametrize("step", ["tempfile.mkdtemp", "os.replace"])
@pytest.mark.parametrize("name", ["m.nii.gz", "m.nii", "m.nrrd", "m.mha", "m.mhd"])
def test_no_permission_to_write(
    pleura: Pleura, here: Path, scan: Path, name: str, step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(step, refuse)
    run = pleura("segment", scan, "-o", name)
    assert_refused(run, 1, "output", False)
    assert name in run.err and "Permission denied" in run.err
    assert names(here) == []


@pytest.mark.parametrize(
    ("failing", "probabilities"),
    [("m.nii.gz", "p.nii"), ("p.png", "p.nii"), ("p.nii", "p.nii"), ("p.mha", "p.mha")],
)
def test_all_files_of_one_call_are_written_or_none(
    pleura: Pleura, here: Path, scan: Path, failing: str, probabilities: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    flush = atomic._flush

    def full(path: Path) -> None:
        if path.name == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path)

    monkeypatch.setattr(atomic, "_flush", full)
    others = ("--picture", "p.png", "--probabilities", probabilities)
    run = pleura("segment", scan, "-o", "m.nii.gz", *others)
    assert_refused(run, 1, "output", False)
    assert run.err.startswith(f"Error: {failing} could not be written (No space left")
    assert names(here) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("step", ["tempfile.mkdtemp", "os.fsync", "os.replace"])
def test_a_disk_that_takes_no_more(
    pleura: Pleura, here: Path, scan: Path, number: int, step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    (here / "m.nii.gz").write_text("old")
    monkeypatch.setattr(step, refuse)
    run = pleura("segment", scan, "-o", "m.nii.gz")
    assert_refused(run, 1, "output", False)
    assert os.strerror(number) in run.err
    assert names(here) == ["m.nii.gz"] and (here / "m.nii.gz").read_text() == "old"


def test_a_folder_that_may_not_be_written(
    pleura: Pleura, here: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    assert_refused(pleura("segment", scan), 1, "output", False)


@both
@pytest.mark.parametrize("place", ["pleura.segmenter.Segmenter.segment", "os.replace"])
def test_ctrl_c(
    pleura: Pleura, here: Path, scan: Path, place: str, as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, stop)
    run = pleura("segment", scan, *["--json"] * as_json)
    assert_refused(run, 130, "interrupted", as_json)
    assert names(here) == []


@pytest.mark.parametrize("name", ["m.nii.gz", "p.nii", "p.png"])
def test_a_signal_does_not_wait_for_a_slow_disk(
    pleura: Pleura, here: Path, scan: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the renaming may not be disturbed; writing may take long."""
    flush = atomic._flush
    interrupt = signal.default_int_handler  # a shell has jobs in the background ignore Ctrl-C

    def stopped(path: Path) -> None:
        if path.name == name:
            before = signal.signal(signal.SIGINT, interrupt)
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.signal(signal.SIGINT, before)
            raise AssertionError("Ctrl-C was put off")
        flush(path)

    monkeypatch.setattr(atomic, "_flush", stopped)
    run = pleura(
        "segment", scan, "-o", "m.nii.gz", "--picture", "p.png", "--probabilities", "p.nii"
    )
    assert_refused(run, 130, "interrupted", False)
    assert names(here) == []


DISK_FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
import nibabel, SimpleITK
from pleura.errors import OutputError
from pleura.report.picture import write_picture
from pleura.volume import Geometry, Mask, Volume
from pleura.write import SUFFIXES, write_mask

labels = np.random.default_rng(0).integers(0, 3, (6, 30, 30), dtype=np.uint8)
grid = Geometry.from_parts(labels.shape)
mask = Mask(labels, grid, {1: "right lung", 2: "left lung"})
hu = labels * np.int16(400) - np.int16(1000)
for name in [f"m{suffix}" for suffix in SUFFIXES] + ["p.png"]:
    Path(name).write_text("old")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
for name in [f"m{suffix}" for suffix in SUFFIXES] + ["p.png"]:
    try:
        if name == "p.png":
            write_picture(Volume(hu, grid), mask, Path(name))
        else:
            write_mask(mask, Path(name))
    except OutputError as error:
        print(error)
    else:
        print("WRITTEN", name)
"""


@pytest.mark.parametrize("limit", [0, 300, 700])
def test_a_full_disk_in_every_format(here: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", DISK_FULL, str(limit)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    sentences = done.stdout.splitlines()
    files = ["m.mha", "m.mhd", "m.nii", "m.nii.gz", "m.nrrd", "p.png"]
    assert len(sentences) == len(files)
    assert all("could not be written" in sentence for sentence in sentences), done.stdout
    assert names(here) == files, "nothing new, nothing hidden"
    assert all((here / name).read_text() == "old" for name in files)


ENTRY = "from pleura.cli import entry; entry()"


def test_a_full_disk_from_the_command_line(here: Path, scan: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    done = subprocess.run(
        [sys.executable, "-B", "-c", ENTRY, "segment", str(scan), "--threads", "1", "--json"],
        capture_output=True, text=True, preexec_fn=limit,
    )  # fmt: skip
    run = Run(done.returncode, done.stdout, done.stderr)
    assert_refused(run, 1, "output", True)
    assert "File too large" in run.err and names(here) == []
