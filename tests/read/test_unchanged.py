"""A scan that changes while it is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pleura.errors import UnreadableError
from pleura.read.unchanged import check_unchanged, stamps_of, unchanged


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"12345")
    return folder


def grows(folder: Path) -> None:
    with (folder / "a").open("ab") as file:
        file.write(b"6")


def is_rewritten(folder: Path) -> None:
    """In place, to the same length."""
    (folder / "a").write_bytes(b"54321")
    os.utime(folder / "a", ns=(0, 7))  # clocks of file systems are coarse


def is_replaced(folder: Path) -> None:
    before = (folder / "a").stat()
    (folder / "new").write_bytes(b"54321")
    os.utime(folder / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "new").replace(folder / "a")


def goes_away(folder: Path) -> None:
    (folder / "b").unlink()


def gets_a_file(folder: Path) -> None:
    (folder / "c").touch()


def swaps_a_name(folder: Path) -> None:
    (folder / "b").rename(folder / "c")


CHANGES = (grows, is_rewritten, is_replaced, goes_away, gets_a_file, swaps_a_name)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(series: Path, change: Callable[[Path], None]) -> None:
    before = stamps_of([series, *sorted(series.iterdir())])
    check_unchanged(series, before)
    change(series)
    with pytest.raises(UnreadableError, match=r"changed while it was read; wait .* run again\.$"):
        check_unchanged(series, before)


def test_reading_is_no_change(series: Path) -> None:
    with unchanged(series, series / "a"):
        (series / "a").read_bytes()
        sorted(series.iterdir())


def test_the_file_is_named(series: Path) -> None:
    with pytest.raises(UnreadableError, match=r"series \(in it 'a'\) changed"):
        check_unchanged(series, {series / "a": None})


@pytest.mark.parametrize("change", [grows, None])
def test_a_change_explains_an_error(series: Path, change: Callable[[Path], None] | None) -> None:
    shown = UnreadableError if change else ValueError
    with pytest.raises(shown), unchanged(series, series / "a"):
        if change:
            change(series)
        raise ValueError("half a file")


def test_an_interrupt_stays_one(series: Path) -> None:
    with pytest.raises(KeyboardInterrupt), unchanged(series, series / "a"):
        grows(series)
        raise KeyboardInterrupt
