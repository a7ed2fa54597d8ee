"""What fuzzing found, kept small; much of it crashed this process in a library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pleura
from pleura.errors import UnreadableError
from pleura.read.histogram import Histogram
from tests.fuzz import seeds


@pytest.mark.parametrize("count", ["-1", "1", "11", "65536", "9223372036854775808"])
@pytest.mark.parametrize("place", ["instead", "again"])
def test_metaimage_of_impossible_dimensions(tmp_path: Path, count: str, place: str) -> None:
    """ITK writes that many numbers into arrays of ten."""
    _, header, rest = seeds.texts()["mha"]
    line = b"NDims = " + count.encode()
    good = b"NDims = 3"
    header = header.replace(good, line if place == "instead" else good + b"\n" + line)
    (tmp_path / "a.mha").write_bytes(header + rest[""])
    with pytest.raises(UnreadableError, match="NDims"):
        pleura.read(tmp_path / "a.mha")


@pytest.mark.parametrize("key", ["Name", "Comment", "ObjectSubType"])
def test_metaimage_of_long_names(tmp_path: Path, key: str) -> None:
    """ITK copies them to 255 bytes each."""
    _, header, rest = seeds.texts()["mha"]
    line = f"{key} = {'a' * 300}\n".encode()
    header = header.replace(b"ElementDataFile", line + b"ElementDataFile")
    (tmp_path / "a.mha").write_bytes(header + rest[""])
    with pytest.raises(UnreadableError, match=rf"{key} of \d+ bytes"):
        pleura.read(tmp_path / "a.mha")


@pytest.mark.parametrize("value", [-32768, -32700, 0, 32700, 32767])
def test_a_histogram_of_one_value(value: int) -> None:
    """Beside int16's end is no room for a second peak."""
    peaks = Histogram.of(np.full((2, 3, 4), value, np.int16)).peaks()
    assert value in peaks and peaks[1] - peaks[0] >= 1


@pytest.mark.parametrize(
    "line", [b"a" * 2000, b"a" * 2000 + b": 3", b"kinds: " + b"a" * 2000, b"-1000 " * 2000]
)
def test_nrrd_of_long_lines(tmp_path: Path, line: bytes) -> None:
    """ITK repeats a line that it doesn't understand in a message of 1,024 bytes."""
    _, header, rest = seeds.texts()["nrrd"]
    (tmp_path / "a.nrrd").write_bytes(header + line + b"\n" + rest[""])
    with pytest.raises(UnreadableError, match="a line of"):
        pleura.read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("line", [b"# " + b"a" * 2000, b"note:=" + b"a" * 2000])
def test_nrrd_of_long_remarks(tmp_path: Path, line: bytes) -> None:
    """Remarks and values of the writer's own may be long."""
    _, header, rest = seeds.texts()["nrrd"]
    (tmp_path / "a.nrrd").write_bytes(header + line + b"\n" + rest[""])
    assert pleura.read(tmp_path / "a.nrrd").array.shape == seeds.phantom().hu.shape
