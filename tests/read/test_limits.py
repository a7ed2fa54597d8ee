"""A header that claims too much is refused before anything is allocated, in every format."""

from __future__ import annotations

import bz2
import gzip
import time
import tracemalloc
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

import pleura
from pleura.errors import GeometryError, InputError, MemoryLimitError, UnreadableError
from pleura.read import free_memory, limits
from pleura.read.files import read_grid
from pleura.read.limits import MAX_SIDE, check_grid, check_held
from tests.dicom_phantom import write_series
from tests.scans import small

Shape = tuple[int, int, int]
SLICES: Shape = (64, 64, 60_000)
CLAIMED: Shape = (512, 512, 4000)  # 2 GB, allowed, but not there
FEW = np.random.default_rng(0).bytes(3000)

META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n{more}"
    "ElementSpacing = 1 1 1\nDimSize = {x} {y} {z}\nElementType = MET_SHORT\n"
    "ElementDataFile = {name}\n"
)
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nsizes: {x} {y} {z}\nencoding: {encoding}\n"
    "endian: little\nspace: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
    "space origin: (0,0,0)\n{more}\n"
)


def nifti(shape: Shape, offset: float = 352) -> bytes:
    header = (nibabel.Nifti1Header if max(shape) < 2**15 else nibabel.Nifti2Header)()
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset if offset == 352 else offset
    header.set_sform(np.eye(4), 1)
    return bytes(header.binaryblock) + bytes(4) + FEW


def meta(shape: Shape, more: str = "", name: str = "LOCAL", data: bytes = FEW) -> bytes:
    x, y, z = shape
    return META.format(x=x, y=y, z=z, more=more, name=name).encode() + data


def nrrd(shape: Shape, encoding: str = "raw", data: bytes = FEW) -> bytes:
    x, y, z = shape
    return NRRD.format(x=x, y=y, z=z, encoding=encoding, more="").encode() + data


def make(folder: Path, kind: str, shape: Shape) -> Path:
    name, _, what = kind.partition(" ")
    path = folder / f"scan{name}"
    x, y, z = shape
    packed = zlib.compress(FEW)
    size = f"CompressedData = True\nCompressedDataSize = {len(packed)}\n"
    (folder / "data.raw").write_bytes(FEW)
    detached = NRRD.format(x=x, y=y, z=z, encoding="raw", more="data file: data.raw\n")
    path.write_bytes(
        {
            ".nii": lambda: nifti(shape),
            ".nii.gz": lambda: gzip.compress(nifti(shape)),
            ".mha": lambda: meta(shape, size if what else "", data=packed if what else FEW),
            ".mhd": lambda: meta(shape, name="data.raw", data=b""),
            ".nrrd": lambda: nrrd(shape, what or "raw", gzip.compress(FEW) if what else FEW),
            ".nhdr": lambda: detached.encode(),
        }[name]()
    )
    return path


KINDS = (".nii", ".nii.gz", ".mha", ".mha packed", ".mhd", ".nrrd", ".nrrd gzip", ".nhdr")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "error"),
    [(SLICES, GeometryError), (SLICES[::-1], GeometryError), (CLAIMED, UnreadableError)],
    ids=["slices", "columns", "bytes"],
)
def test_claims(tmp_path: Path, kind: str, shape: Shape, error: type[Exception]) -> None:
    path = make(tmp_path, kind, shape)
    pleura.read  # noqa: B018 - loaded before memory is watched
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(error, match=r"60000|cut off|can't hold") as caught:
            pleura.read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6 and time.perf_counter() - began < 5
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_memory(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that is all there, but 60 kB are too many."""
    monkeypatch.setattr(free_memory, "free_memory", lambda: 50_000)
    shape = (30, 25, 26)
    data = np.zeros(shape[::-1], np.int16).tobytes()
    path = make(tmp_path, kind, shape)
    (tmp_path / "data.raw").write_bytes(data)
    start = path.read_bytes()
    if kind == ".nii.gz":
        start = gzip.compress(gzip.decompress(start) + data)
    elif kind in (".nii", ".mha", ".nrrd"):
        start += data
    path.write_bytes(start)
    with pytest.raises(MemoryLimitError, match=r"needs about .* of memory to be read and 5e-05 GB"):
        pleura.read(path)


def test_dicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "ct", small().hu)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "MAX_SIDE", 63)
        with pytest.raises(GeometryError, match="claims 4 x 64 x 64 voxels, more than"):
            pleura.read(tmp_path / "ct")
    monkeypatch.setattr(free_memory, "free_memory", lambda: 40_000)
    with pytest.raises(MemoryLimitError, match=r"ct needs about 4\.9e-05 GB of memory"):
        pleura.read(tmp_path / "ct")


@pytest.mark.parametrize("frames", [60_000, 2_000_000_000])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"])
def test_dicom_that_claims_frames(tmp_path: Path, frames: int, syntax: str) -> None:
    write_series(tmp_path / "ct", small().hu[:1])
    (path,) = (tmp_path / "ct").iterdir()
    ds = pydicom.dcmread(path)
    ds.NumberOfFrames = frames
    if syntax.endswith("70"):
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = pydicom.encaps.encapsulate([ds.PixelData])
    ds.save_as(path)
    began = time.perf_counter()
    with pytest.raises(InputError):
        pleura.read(path)
    assert time.perf_counter() - began < 5


def test_what_follows_the_voxels_is_not_unpacked(tmp_path: Path) -> None:
    """The scan is whole; behind it come 50 MB of zeros, the end of which is damaged."""
    hu = np.random.default_rng(0).integers(-1000, 1000, (30, 30, 4), dtype=np.int16)
    image = nibabel.Nifti1Image(hu, np.eye(4))
    packed = gzip.compress(image.to_bytes() + bytes(50 << 20), 1)
    (tmp_path / "a.nii.gz").write_bytes(packed[:-1000])
    assert np.array_equal(read_grid(tmp_path / "a.nii.gz")[0], hu.T)


@pytest.mark.parametrize("offset", [1e9, 1e30, float("nan"), -5])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_begin_nowhere(tmp_path: Path, suffix: str, offset: float) -> None:
    raw = nifti((10, 10, 5), offset)
    (tmp_path / f"a{suffix}").write_bytes(gzip.compress(raw) if suffix == ".nii.gz" else raw)
    with pytest.raises(UnreadableError):
        pleura.read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("suffix", "words"), [(".nii", "is cut off"), (".nii.gz", "1000000000 bytes before its voxels")]
)
def test_voxels_far_behind_are_not_looked_for(tmp_path: Path, suffix: str, words: str) -> None:
    raw = nifti((10, 10, 5), 1e9) + bytes(1000)
    (tmp_path / f"a{suffix}").write_bytes(gzip.compress(raw) if suffix == ".nii.gz" else raw)
    with pytest.raises(UnreadableError, match=words):
        pleura.read(tmp_path / f"a{suffix}")


def test_a_bomb_in_a_nifti_extension_is_not_read(tmp_path: Path) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, (30, 30, 4), dtype=np.int16)
    length = 50 << 20
    raw = bytearray(nifti((30, 30, 4), 352 + length)[:348]) + b"\1\0\0\0"
    raw += length.to_bytes(4, "little") + b"\6\0\0\0" + bytes(length - 8) + hu.tobytes("F")
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(raw), 1))
    pleura.read(tmp_path / "a.nii.gz")  # loads what it needs
    tracemalloc.start()
    try:
        assert np.array_equal(read_grid(tmp_path / "a.nii.gz")[0], hu.T)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["raw", "gzip", "hex", "ascii"])
@pytest.mark.parametrize("cut", [0, 5])
def test_nrrd_encodings(tmp_path: Path, encoding: str, cut: int) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, (4, 20, 22), dtype=np.int16)
    data = {
        "raw": hu.tobytes(),
        "gzip": gzip.compress(hu.tobytes()),
        "hex": hu.tobytes().hex().encode(),
        "ascii": " ".join(str(n) for n in hu.ravel()).encode(),
    }[encoding]
    path = tmp_path / "a.nrrd"
    path.write_bytes(nrrd((22, 20, 4), encoding, data[: len(data) - cut]))
    if not cut:
        assert np.array_equal(read_grid(path)[0], hu)
    elif encoding != "ascii":  # of which the last number is only shorter
        with pytest.raises(UnreadableError):
            pleura.read(path)


def test_nrrd_fields_that_make_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    good = nrrd((5, 5, 5), data=bytes(250))
    for old, new in (
        (b"sizes: 5 5 5", b"sizes: 5 x 5"), (b"type: short", b"type: half"),
        (b"encoding: raw", b"encoding: magic"), (b"sizes: 5 5 5", b"sizes: 5 5 5\nsizes: 5 5 5"),
        (b"NRRD", b"NRDD"), (b"sizes: 5 5 5\n", b""),
    ):  # fmt: skip
        path.write_bytes(good.replace(old, new))
        with pytest.raises(UnreadableError):
            pleura.read(path)
    path.write_bytes(nrrd((5, 5, 5), "bzip2", bz2.compress(bytes(250))))
    with pytest.raises(UnreadableError, match="bzip2"):
        pleura.read(path)


def test_limits_themselves() -> None:
    check_grid((MAX_SIDE, 400, 400), "scan")
    with pytest.raises(GeometryError, match=r"8193 x 1 x 1 .*8,192 along an axis"):
        check_grid((MAX_SIDE + 1, 1, 1), "scan")
    with pytest.raises(GeometryError, match="1,600,000,000 in all"):
        check_grid((2000, 2000, 2000), "scan")
    check_held(Path("scan"), 1100, 1, 1100)
    with pytest.raises(UnreadableError, match="1 compressed bytes can't hold"):
        check_held(Path("scan"), 1101, 1, 1100)
