"""A deflated file that would fill the memory is refused before it is inflated."""

from __future__ import annotations

import zlib
from pathlib import Path

import pydicom
import pytest

import pleura
from pleura.errors import UnreadableError
from pleura.read import dicom_file
from pleura.read.dicom_file import DicomStream, read_whole
from tests.dicom_phantom import write_series
from tests.scans import small


def deflated(folder: Path) -> Path:
    write_series(folder, small().hu[:1], transfer_syntax=pydicom.uid.DeflatedExplicitVRLittleEndian)
    (file,) = folder.iterdir()
    return file


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_file, "_COUNTS_ABOVE", 1 << 20)
    file = deflated(tmp_path)
    assert pleura.read(file).array.shape == (1, 64, 64)
    ds = pydicom.dcmread(file)
    ds.PixelData = bytes(3 << 20)
    ds.save_as(file)
    for read in (pleura.read, read_whole):
        with pytest.raises(UnreadableError, match=file.name):
            read(file)


def test_it_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest, here garbage, is not inflated."""
    monkeypatch.setattr(dicom_file, "_COUNTS_ABOVE", 1 << 20)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = packer.compress(bytes(8 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 99
    (tmp_path / "a.dcm").write_bytes(bomb)
    with (
        DicomStream(tmp_path / "a.dcm") as stream,
        pytest.raises(UnreadableError, match="20 times"),
    ):
        stream.read()
    with DicomStream(tmp_path / "a.dcm") as stream:
        assert stream.read(len(bomb)) == bomb, "in pieces it is any file"
