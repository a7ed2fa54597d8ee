"""Damage that ITK reads over."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import pleura
from pleura.errors import UnreadableError
from pleura.read.metaimage import data_file
from pleura.volume import Geometry, sitk_image
from tests.scans import tissue

SHAPE = (4, 20, 22)
HU = tissue(SHAPE)
PLANES = ["s1.raw", "s2.raw", "s3.raw", "s4.raw"]
HEADER = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {msb}\n"
    "CompressedData = {packed}\n{more}ElementSpacing = 1 1 1\nDimSize = 22 20 4\n"
    "ElementType = MET_SHORT\nElementDataFile = {name}\n"
)


def write(
    path: Path, data: bytes, *, packed: bool = False, msb: bool = False, more: str = ""
) -> Path:
    """A .mha, or a .mhd with its voxels in data.bin."""
    local = path.suffix == ".mha"
    name = "LOCAL" if local else "data.bin"
    header = HEADER.format(packed=packed, msb=msb, more=more, name=name).encode()
    path.write_bytes(header + data if local else header)
    if not local:
        (path.parent / name).write_bytes(data)
    return path


def size(data: bytes) -> str:
    return f"CompressedDataSize = {len(data)}\n"


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("msb", [False, True])
@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_whole_streams_are_read(tmp_path: Path, suffix: str, msb: bool, compress) -> None:
    data = compress(HU.astype(">i2" if msb else "<i2").tobytes())
    path = write(tmp_path / f"a{suffix}", data, packed=True, msb=msb, more=size(data))
    assert np.array_equal(pleura.read(path).array, HU)


def test_the_size_of_the_stream_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mhd", zlib.compress(HU.tobytes()), packed=True)
    assert np.array_equal(pleura.read(path).array, HU)


def test_a_header_may_be_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mhd", b"x" * 100 + HU.tobytes(), more="HeaderSize = -1\n")
    assert np.array_equal(pleura.read(path).array, HU)
    path = write(tmp_path / "b.mhd", b"x" * 100 + HU.tobytes(), more="HeaderSize = 100\n")
    assert np.array_equal(pleura.read(path).array, HU)


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_a_damaged_stream_is_noticed(tmp_path: Path, suffix: str, compress) -> None:
    data = compress(HU.tobytes())
    for place in np.random.default_rng(1).integers(20, len(data) - 8, 6):
        raw = bytearray(data)
        raw[place] ^= 4
        path = write(tmp_path / f"a{suffix}", bytes(raw), packed=True, more=size(data))
        with pytest.raises(UnreadableError, match="checksum differs"):
            pleura.read(path)


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_short_file_is_refused_before_itk_speaks(
    tmp_path: Path, suffix: str, packed: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    data = zlib.compress(HU.tobytes()) if packed else HU.tobytes()
    path = write(tmp_path / f"a{suffix}", data[:-1], packed=packed, more=size(data) * packed)
    with pytest.raises(UnreadableError, match=f"cut off .* instead of {len(data)}"):
        pleura.read(path)
    assert capfd.readouterr().err == ""


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mhd", HU.tobytes())
    (tmp_path / "data.bin").unlink()
    with pytest.raises(UnreadableError, match=r"'data\.bin', which is missing"):
        pleura.read(path)


@pytest.mark.parametrize("field", ["DimSize", "ElementType", "ElementDataFile"])
def test_a_field_is_missing(tmp_path: Path, field: str) -> None:
    path = write(tmp_path / "a.mhd", HU.tobytes())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(field)))
    with pytest.raises(UnreadableError, match=f"no MetaImage header with '{field}'"):
        pleura.read(path)


@pytest.mark.parametrize(("old", "new"), [("22 20 4", "22 x 4"), ("MET_SHORT", "MET_HALF")])
def test_a_field_makes_no_sense(tmp_path: Path, old: str, new: str) -> None:
    path = write(tmp_path / "a.mhd", HU.tobytes())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UnreadableError, match="damaged header"):
        pleura.read(path)


@pytest.mark.parametrize("name", ["s%d.raw 1 4 1", "s%d.raw", "LIST\n" + "\n".join(PLANES)])
def test_voxels_in_several_files(tmp_path: Path, name: str) -> None:
    for plane, file in zip(HU, PLANES, strict=True):
        (tmp_path / file).write_bytes(plane.tobytes())
    path = tmp_path / "a.mhd"
    path.write_text(HEADER.format(packed=False, msb=False, more="", name=name))
    assert [file.name for file in data_file(path).files] == PLANES
    assert np.array_equal(pleura.read(path).array, HU)
    (tmp_path / "s3.raw").write_bytes(b"short")
    with pytest.raises(UnreadableError, match="cut off"):
        pleura.read(path)


@pytest.mark.parametrize("dtype", ["i1", "i4", "u4", "i8", "f4", "f8", "u2"])
def test_every_number_type(tmp_path: Path, dtype: str) -> None:
    array = (HU // 10 if dtype == "i1" else np.abs(HU)).astype(dtype)
    if dtype[0] == "f" or dtype in ("i4", "i8"):
        array -= array.dtype.type(900)
    for compress in (False, True):
        image = sitk_image(array, Geometry.from_parts(SHAPE))
        sitk.WriteImage(image, str(tmp_path / "a.mha"), useCompression=compress)
        data = data_file(tmp_path / "a.mha")
        assert data.voxels == array.nbytes
        if array.min() < 0 and np.ptp(array.astype(float)) > 300:
            assert np.array_equal(pleura.read(tmp_path / "a.mha").array, array)
