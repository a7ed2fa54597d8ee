"""Killed at any moment: an output is whole, or as it was before."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from tests.scans import names

ENTRY = "from pleura.cli import entry; entry()"
OLD = b"an older result"
MASK, PICTURE = "m.nii.gz", "p.png"


def start(scan: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-B", "-c", ENTRY, "segment", str(scan), "--threads", "1",
         "-o", str(folder / MASK), "--picture", str(folder / PICTURE)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def hidden(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".pleura-")]  # noqa: PTH208


def is_new(path: Path) -> bool:
    return path.exists() and path.read_bytes() != OLD


def inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def assert_whole(folder: Path, expected: np.ndarray) -> None:
    """Each output is absent, old, or opens with all it should hold (and its checksum is right)."""
    for name in (MASK, PICTURE):
        path = folder / name
        if not is_new(path):
            continue
        if name == MASK:
            assert np.array_equal(nibabel.load(path).dataobj, expected)
        else:
            with Image.open(path) as picture:
                picture.load()


@pytest.fixture(scope="module")
def whole(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, float]:
    """The mask of a run that nobody stops, and its seconds."""
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    child = start(scan, folder)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    mask = np.asarray(nibabel.load(folder / MASK).dataobj)
    assert mask.max() > 0 and names(folder) == [MASK, PICTURE]
    return mask, time.monotonic() - began


def kill(
    scan: Path, folder: Path, number: signal.Signals, seconds: float, rng: random.Random
) -> tuple[subprocess.Popen[str], str]:
    """Kill a run: anywhere, while its outputs are written, or as soon as the mask has its name."""
    before = inode(folder / MASK)
    child = start(scan, folder)
    moment = rng.randrange(3)
    reached = (
        lambda: True,
        lambda: bool(hidden(folder)),
        lambda: inode(folder / MASK) not in (None, before),
    )[moment]
    while child.poll() is None and not reached():
        time.sleep(0.0002)
    wait = (seconds * rng.uniform(0.05, 1.1), rng.uniform(0, 0.1), 0.0)[moment]
    deadline = time.monotonic() + wait
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    child.send_signal(number)
    _, errors = child.communicate(timeout=120)
    return child, errors


def check_kills(scan: Path, folder: Path, whole: tuple[np.ndarray, float], kills: int) -> None:
    mask, seconds = whole
    rng = random.Random(kills)
    for turn in range(kills):
        for name in (MASK, PICTURE):
            (folder / name).unlink(missing_ok=True)
            if turn % 3:
                (folder / name).write_bytes(OLD)
        number = (signal.SIGKILL, signal.SIGTERM)[turn % 2]
        child, errors = kill(scan, folder, number, seconds, rng)
        assert_whole(folder, mask)
        left = set(os.listdir(folder)) - {MASK, PICTURE}  # noqa: PTH208
        assert left == set(hidden(folder))
        if number == signal.SIGTERM:
            # Before the command line is up, the signal ends the process without words.
            assert child.returncode in (0, 143, -signal.SIGTERM), errors
            said = "Error: Stopped by SIGTERM; no partial output was left.\n"
            assert errors == (said if child.returncode == 143 else "")
            assert not any(f"-{child.pid}." in name for name in left)
            assert is_new(folder / MASK) == is_new(folder / PICTURE), "both or neither"
    child = start(scan, folder)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert names(folder) == [MASK, PICTURE], "what the killed ones left is gone"


def test_kills(scan: Path, here: Path, whole: tuple[np.ndarray, float]) -> None:
    check_kills(scan, here, whole, 6)


@pytest.mark.slow
def test_many_kills(scan: Path, here: Path, whole: tuple[np.ndarray, float]) -> None:
    check_kills(scan, here, whole, 60)
