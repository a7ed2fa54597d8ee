"""A TIFF whose pages lead back to each other is refused before ITK follows them for ever."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import pleura
from pleura.errors import UnreadableError
from pleura.read.limits import MAX_SIDE
from pleura.read.tiff import check_pages


def chain(path: Path, order: str, big: bool, following: list[int]) -> Path:
    """A TIFF of pages without entries; `following` gives the page behind each, -1 for none."""
    offset, count = ("Q", "Q") if big else ("I", "H")
    size = struct.calcsize(f"={count}{offset}")
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if big else 42)
    head += struct.pack(f"{order}HH", 8, 0) if big else b""
    start = len(head) + struct.calcsize(offset)
    data = head + struct.pack(order + offset, start)
    for page in following:
        data += struct.pack(order + count + offset, 0, 0 if page < 0 else start + page * size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("following", [[0], [1, 0], [1, 2, 1], [*range(1, MAX_SIDE + 1), -1]])
def test_a_chain_without_end(tmp_path: Path, order: str, big: bool, following: list[int]) -> None:
    path = chain(tmp_path / "a.tif", order, big, following)
    with pytest.raises(UnreadableError, match=r"a\.tif has pages that lead back"):
        pleura.read(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("following", [[-1], [1, -1], [2, -1, 1], [10**6], [*range(1, 500), -1]])
def test_a_chain_that_ends(tmp_path: Path, order: str, big: bool, following: list[int]) -> None:
    check_pages(chain(tmp_path / "a.tif", order, big, following))


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0", b"PK\3\4" * 9, b"II+\0" + b"\xff" * 40])
def test_other_files_are_left_to_itk(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    check_pages(tmp_path / "a.tif")
