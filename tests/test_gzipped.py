"""Both ways to gzip read and write what Python's own gzip does."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.gzipped import open_gzip, write_gzip

_RANDOM = np.random.default_rng(0)
# Larger than any buffer between file and reader; half of it noise, half of it as masks are.
PLAIN = _RANDOM.bytes(450_001) + _RANDOM.integers(0, 3, 600_000, dtype=np.uint8).tobytes()
PACKED = gzip.compress(PLAIN, 1)


@pytest.fixture(scope="module", params=["as installed", "without isal"], autouse=True)
def installed(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without isal":
            # The module itself too: once imported, it is found without its package.
            for name in ("isal", "isal.igzip"):
                patch.setitem(sys.modules, name, None)
        yield request.param


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gzip") / "a.gz"
    path.write_bytes(PACKED)
    return path


def test_isal_is_used_where_it_is_and_only_there(installed: str, packed: Path) -> None:
    with open_gzip(packed) as reader, write_gzip(io.BytesIO()) as writer:
        if installed == "without isal":
            assert type(reader) is type(writer) is gzip.GzipFile
        else:
            kind = pytest.importorskip("isal.igzip").IGzipFile
            assert isinstance(reader, kind) and isinstance(writer, kind)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 600_001)),
        st.tuples(st.just("readinto"), st.integers(0, 600_001)),
        st.tuples(st.just("seek"), st.integers(0, len(PLAIN))),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_any_reading_and_seeking_is_as_on_the_plain_bytes(
    packed: Path, steps: list[tuple[str, int]]
) -> None:
    plain = io.BytesIO(PLAIN)
    with open_gzip(packed) as stream:
        for step, number in steps:
            if step == "readinto":
                found, expected = bytearray(number), bytearray(number)
                assert stream.readinto(found) == plain.readinto(expected)  # type: ignore[attr-defined]
                assert found == expected
            else:
                assert getattr(stream, step)(number) == getattr(plain, step)(number)
            assert stream.tell() == plain.tell()
        assert stream.read() == plain.read()


def test_odd_sizes_to_the_end(packed: Path) -> None:
    with open_gzip(packed) as stream:
        parts = list(iter(lambda: stream.read(65_537), b""))
        assert b"".join(parts) == PLAIN and {len(part) for part in parts[:-1]} == {65_537}
        assert stream.read(1) == b""


def test_an_array_is_filled_as_a_plain_file_fills_it(packed: Path) -> None:
    """Any shape and type, as nibabel gives it; what the stream lacks is left alone."""
    array = np.full((3, 4, 50_000), 7, dtype=np.int16)
    with open_gzip(packed) as stream:
        assert stream.readinto(array.data) == len(PLAIN)  # type: ignore[attr-defined]
        assert stream.readinto(array.data) == 0  # type: ignore[attr-defined]
    assert array.tobytes()[: len(PLAIN)] == PLAIN
    assert set(array.tobytes()[len(PLAIN) + 1 :]) == {0, 7}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (gzip.compress(b""), b""),
        (gzip.compress(b"") + PACKED + gzip.compress(PLAIN[:1000]), PLAIN + PLAIN[:1000]),
        (PACKED + bytes(700), PLAIN),
    ],
    ids=["empty file", "nothing packed", "members", "zeros behind"],
)
def test_unusual_streams_that_are_whole(tmp_path: Path, data: bytes, expected: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(data)
    with open_gzip(tmp_path / "a.gz") as stream:
        assert stream.read() == expected == gzip.decompress(data)


def changed(place: int) -> bytes:
    """The packed bytes with one bit turned."""
    data = bytearray(PACKED)
    data[place] ^= 4
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (changed(-5), gzip.BadGzipFile),
        (changed(-1), gzip.BadGzipFile),
        (changed(200_000), gzip.BadGzipFile),  # stored as it is, so only the checksum tells
        (gzip.compress(PLAIN[:1000]) + changed(-5), gzip.BadGzipFile),
        (PACKED + b"something else", gzip.BadGzipFile),
        (PLAIN, gzip.BadGzipFile),
        (PACKED[:-1], EOFError),
        (PACKED[:-8], EOFError),
        (PACKED[:300_000], EOFError),
        (PACKED[:10], EOFError),
        (gzip.compress(PLAIN[:1000]) + PACKED[:300_000], EOFError),
    ],
    ids=["checksum", "length", "middle", "second member", "tail", "no gzip", "last byte",
         "no checksum", "half", "header alone", "half a second member"],
)  # fmt: skip
def test_damage_is_noticed_at_the_end(tmp_path: Path, data: bytes, error: type[Exception]) -> None:
    (tmp_path / "a.gz").write_bytes(data)
    with open_gzip(tmp_path / "a.gz") as stream, pytest.raises(error):
        stream.read()
    buffer = bytearray(len(PLAIN))
    with open_gzip(tmp_path / "a.gz") as stream, pytest.raises(error):
        stream.readinto(buffer)  # type: ignore[attr-defined]
        stream.read(1 << 20)  # as after an image's voxels


def written(parts: list[bytes]) -> bytes:
    file = io.BytesIO()
    with write_gzip(file) as stream:
        for part in parts:
            stream.write(part)
    return file.getvalue()  # so it was left open


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.binary(max_size=3000), max_size=5))
def test_python_s_gzip_reads_what_is_written(parts: list[bytes]) -> None:
    assert gzip.decompress(written(parts)) == b"".join(parts)


def test_equal_bytes_give_equal_files(monkeypatch: pytest.MonkeyPatch) -> None:
    first = written([PLAIN[:352], PLAIN[352:]])
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert written([PLAIN[:352], PLAIN[352:]]) == first
    assert first[3:8] == bytes(5)  # neither a name nor a time
    assert gzip.decompress(first) == PLAIN


def test_masks_shrink() -> None:
    mask = np.zeros((20, 100, 100), np.uint8)
    mask[5:15, 20:80, 20:80] = 1
    assert len(written([mask.tobytes()])) < mask.size / 30
