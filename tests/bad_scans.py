"""Scans that must be refused: name -> a function that makes one in a folder."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from tests.dicom_phantom import write_series
from tests.scans import save, small

PHANTOM = small()
HU = PHANTOM.hu
Make = Callable[[Path], Path]
BAD: dict[str, tuple[str, Make]] = {}  # name -> (error code, maker)
VOLUMES = ("nii", "nii.gz", "nrrd", "mha", "mhd")


def bad(name: str, code: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        BAD[name] = (code, make)
        return make

    return register


def bytes_file(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@bad("missing path", "unreadable")
def missing(folder: Path) -> Path:
    return folder / "none.nii.gz"


@bad("empty folder", "unreadable")
def empty_folder(folder: Path) -> Path:
    (folder / "scan").mkdir()
    return folder / "scan"


@bad("folder of MR", "not_ct")
def folder_of_mr(folder: Path) -> Path:
    write_series(folder / "scan", HU, modality="MR")
    return folder / "scan"


@bad("folder of text", "unreadable")
def folder_of_text(folder: Path) -> Path:
    (folder / "scan").mkdir()
    (folder / "scan" / "README.txt").write_text("Nothing here.\n" * 50)
    (folder / "scan" / "table.csv").write_text("a,b\n1,2\n")
    return folder / "scan"


@bad("folder of NIfTI", "unreadable")
def folder_of_nifti(folder: Path) -> Path:
    (folder / "scan").mkdir()
    save(folder / "scan" / "a.nii.gz", HU)
    return folder / "scan"


def halved(suffix: str) -> Make:
    def make(folder: Path) -> Path:
        path = save(folder / f"scan.{suffix}", HU)
        data = folder / "scan.raw" if suffix == "mhd" else path
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
        return path

    return make


def content(name: str, data: bytes) -> Make:
    return lambda folder: bytes_file(folder, name, data)


GARBAGE = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
for _suffix in (*VOLUMES, "nhdr", "tif", "dcm", "zip", "ima", "png", "unknown"):
    BAD[f"garbage .{_suffix}"] = ("unreadable", content(f"scan.{_suffix}", GARBAGE))
    BAD[f"text as .{_suffix}"] = ("unreadable", content(f"scan.{_suffix}", b"Dear doctor,\n" * 90))
    BAD[f"empty .{_suffix}"] = ("unreadable", content(f"scan.{_suffix}", b""))
for _suffix in VOLUMES:
    BAD[f"truncated .{_suffix}"] = ("unreadable", halved(_suffix))
BAD["text, gzipped"] = ("unreadable", content("scan.nii.gz", gzip.compress(b"Dear doctor,\n" * 90)))
BAD["file without suffix"] = ("unreadable", content("scan", GARBAGE))


@bad("truncated .dcm", "unreadable")
def truncated_dicom(folder: Path) -> Path:
    write_series(folder / "series", HU[:1])
    (file,) = (folder / "series").iterdir()
    return bytes_file(folder, "scan.dcm", file.read_bytes()[: file.stat().st_size // 2])


@bad("mhd without its voxels", "unreadable")
def mhd_alone(folder: Path) -> Path:
    path = save(folder / "scan.mhd", HU)
    (folder / "scan.raw").unlink()
    return path


def photo(suffix: str) -> Make:
    def make(folder: Path) -> Path:
        pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"photo.{suffix}")
        return folder / f"photo.{suffix}"

    return make


for _suffix in ("jpg", "png", "webp", "bmp"):
    BAD[f"photo .{_suffix}"] = ("unreadable", photo(_suffix))
BAD["photo .tif"] = ("not_ct", photo("tif"))


@bad("photo .mha", "not_ct")
def colour_metaimage(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3), dtype=np.uint8)
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "ElementSpacing = 1 1 1\nDimSize = 50 40 1\nElementNumberOfChannels = 3\n"
        "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    return bytes_file(folder, "photo.mha", header.encode() + pixels.tobytes())


@bad("four dimensions", "geometry")
def four_dimensions(folder: Path) -> Path:
    array = np.stack([HU.transpose(2, 1, 0)] * 2, axis=-1)
    nibabel.Nifti1Image(array, np.eye(4)).to_filename(folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


@bad("flat grid", "geometry")
def flat_grid(folder: Path) -> Path:
    path = save(folder / "scan.nii", HU)
    raw = bytearray(path.read_bytes())
    raw[280:328] = bytes(48)  # srow
    return bytes_file(folder, "scan.nii", bytes(raw))


def lost(value: float, where: tuple[object, ...]) -> Make:
    def make(folder: Path) -> Path:
        hu = HU.astype(np.float32)
        hu[where] = value
        return save(folder / "scan.nii.gz", hu)

    return make


BAD["NaN in the lung"] = ("intensity", lost(np.nan, (2, 30, 19)))
BAD["infinity in the heart"] = ("intensity", lost(np.inf, (2, 28, 37)))
BAD["a slice of NaN"] = ("intensity", lost(np.nan, (1,)))
BAD["all NaN"] = ("intensity", lost(np.nan, (slice(None),)))

GREY = np.clip((HU + 1350) / 1500 * 255, 0, 255)
for _name, _array in {
    "constant": np.full_like(HU, -1000),
    "windowed picture": GREY.astype(np.uint8),
    "windowed picture as int16": GREY.astype(np.int16),
    "windowed picture as float": GREY.astype(np.float32),
    "normalised": (GREY / 255).astype(np.float32),
    "14 bit without rescale": (4 * HU.astype(np.int32) + 4096).astype(np.uint16),
}.items():
    BAD[_name] = (
        "intensity",
        lambda folder, array=_array: save(folder / "scan.nii.gz", array),  # type: ignore[misc]
    )
BAD["grey .mha"] = ("intensity", lambda folder: save(folder / "s.mha", GREY.astype(np.uint8)))
BAD["grey .tif"] = ("intensity", lambda folder: save(folder / "s.tif", GREY.astype(np.uint8)[:1]))


def huge_nifti(suffix: str) -> Make:
    def make(folder: Path) -> Path:
        header = nibabel.Nifti1Header()
        header.set_data_shape((30000, 30000, 30000))
        header.set_data_dtype(np.int16)
        header["magic"], header["vox_offset"], header["sform_code"] = b"n+1", 352, 1
        header.set_sform(np.eye(4), 1)
        raw = header.binaryblock + bytes(5000)
        return bytes_file(
            folder, f"scan{suffix}", gzip.compress(raw) if suffix.endswith("z") else raw
        )

    return make


HUGE_META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n{more}"
    "ElementSpacing = 1 1 1\nDimSize = 30000 30000 30000\nElementType = MET_SHORT\n"
    "ElementDataFile = LOCAL\n"
)
HUGE_NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nsizes: 30000 30000 30000\nencoding: {encoding}\n"
    "endian: little\nspace: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
    "space origin: (0,0,0)\n\n"
)
HUGE: dict[str, tuple[str, Make]] = {
    "huge .nii": ("geometry", huge_nifti(".nii")),
    "huge .nii.gz": ("geometry", huge_nifti(".nii.gz")),
    "huge .mha": ("geometry", content("s.mha", HUGE_META.format(more="").encode() + GARBAGE)),
    "huge compressed .mha": (
        "geometry",
        content(
            "s.mha",
            HUGE_META.format(more="CompressedData = True\nCompressedDataSize = 5000\n").encode()
            + GARBAGE,
        ),
    ),
    "huge .nrrd": ("geometry", content("s.nrrd", HUGE_NRRD.format(encoding="raw").encode())),
    "huge gzipped .nrrd": (
        "geometry",
        content("s.nrrd", HUGE_NRRD.format(encoding="gzip").encode() + gzip.compress(GARBAGE)),
    ),
}
