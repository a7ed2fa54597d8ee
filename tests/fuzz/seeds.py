"""Small valid scans of every format that `pleura.read` knows; the same bytes each time."""

from __future__ import annotations

import gzip
import struct
import tempfile
import zlib
from collections.abc import Mapping
from functools import cache
from itertools import count
from pathlib import Path
from unittest.mock import patch

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk

from pleura.volume import nibabel_image
from tests.dicom_compress import HTJ2K_PLANE, recompress
from tests.dicom_phantom import write_multiframe, write_series
from tests.phantom import Phantom, chest
from tests.scans import save

Files = Mapping[str, bytes]
_UNCOMPRESSED = {
    name: getattr(pydicom.uid, name)
    for name in (
        "ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "ExplicitVRBigEndian",
        "DeflatedExplicitVRLittleEndian",
    )
}  # fmt: skip
_COMPRESSED = ("RLELossless", "JPEGLosslessSV1", "JPEGLSLossless", "JPEG2000Lossless")
_FRAMES = ("ExplicitVRLittleEndian", "RLELossless", "JPEG2000Lossless")


@cache
def phantom() -> Phantom:
    return chest((3, 16, 16), (80.0, 24.0, 24.0))


@cache
def niftis() -> Mapping[str, bytes]:
    """Plain .nii: NIfTI-1 and -2, both byte orders, integers and floats."""
    hu, grid = phantom().hu, phantom().geometry
    first = nibabel_image(hu, grid)
    found = {"one": first.to_bytes()}
    found["scaled"] = _scaled(found["one"])
    found["floats"] = nibabel_image(hu.astype(np.float32), grid).to_bytes()
    found["two"] = nibabel.Nifti2Image(np.asarray(first.dataobj), first.affine).to_bytes()
    swapped = first.header.as_byteswapped(">")
    image = nibabel.Nifti1Image(np.asarray(first.dataobj).astype(">i2"), None, swapped)
    image.header["sform_code"] = 1
    found["big"] = image.to_bytes()
    return found


def _scaled(plain: bytes) -> bytes:
    """The same HU with an intercept."""
    voxels = np.frombuffer(plain, "<i2", offset=352) + np.int16(1024)
    return plain[:112] + struct.pack("<ff", 1, -1024) + plain[120:352] + voxels.tobytes()


@cache
def texts() -> Mapping[str, tuple[str, bytes, Files]]:
    """Name -> (header's file, its text, the voxels behind it and other files)."""
    hu, grid = phantom().hu, phantom().geometry
    voxels = hu.tobytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nrrd = save(folder / "a.nrrd", hu, grid).read_bytes().partition(b"\n\n")[0]
        meta = save(folder / "a.mha", hu, grid).read_bytes().partition(b"LOCAL\n")[0]
    lines = [x for x in nrrd.split(b"\n") if not x.startswith((b"encoding", b"#"))]

    def header(*more: bytes) -> bytes:
        return b"\n".join((*lines, *more)) + b"\n"

    numbers = " ".join(map(str, hu.ravel())).encode()
    packed = zlib.compress(voxels, 1)
    lean = meta.replace(b"CompressedData = False", b"CompressedData = True")
    size = b"CompressedDataSize = %d\n" % len(packed)
    lean = lean.replace(b"ElementDataFile", size + b"ElementDataFile")
    gz = gzip.compress(voxels, 1, mtime=0)
    return {
        "nrrd": ("scan.nrrd", header(b"encoding: raw"), {"": b"\n" + voxels}),
        "nrrd gzip": ("scan.nrrd", header(b"encoding: gzip"), {"": b"\n" + gz}),
        "nrrd text": ("scan.nrrd", header(b"encoding: ascii"), {"": b"\n" + numbers}),
        "nhdr": (
            "scan.nhdr", header(b"encoding: raw", b"data file: scan.raw"), {"scan.raw": voxels},
        ),
        "mha": ("scan.mha", meta + b"LOCAL\n", {"": voxels}),
        "mha packed": ("scan.mha", lean + b"LOCAL\n", {"": packed}),
        "mhd": ("scan.mhd", meta + b"scan.raw\n", {"scan.raw": voxels}),
        "mhd packed": ("scan.mhd", lean + b"scan.raw\n", {"scan.raw": packed}),
    }  # fmt: skip


@cache
def tiffs() -> Mapping[str, bytes]:
    plane = sitk.GetImageFromArray(phantom().hu[1])
    found = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "a.tif")
        for kind, compressor in (("plain", ""), ("deflate", "DEFLATE"), ("lzw", "LZW")):
            sitk.WriteImage(plane, str(path), compressor != "", compressor=compressor)
            found[kind] = path.read_bytes()
    return found


@cache
def dicoms() -> Mapping[str, Files]:
    """A file, or the files of a series, by how pixels are stored; "frames" are multi-frame."""
    hu, grid = phantom().hu, phantom().geometry
    found: dict[str, Files] = {}
    numbers = count(1)
    # UIDs are counted, not drawn, so that a case has the same bytes in every process.
    drawn = patch("pydicom.uid.generate_uid", lambda *_, **__: f"1.2.3.{next(numbers)}")
    with tempfile.TemporaryDirectory() as name, drawn:
        for kind, syntax in _UNCOMPRESSED.items():
            write_series(Path(name, kind), hu[1:2], grid, transfer_syntax=syntax)
        for kind in _COMPRESSED:
            write_series(Path(name, kind), hu[1:2], grid)
        # There is no encoder of HTJ2K, but a stream of other numbers.
        write_series(Path(name, "HTJ2KLossless"), HTJ2K_PLANE[None], rescale=[(1, 0)])
        for kind in _FRAMES:
            Path(name, f"frames {kind}").mkdir()
            write_multiframe(Path(name, f"frames {kind}", "a.dcm"), hu, grid)
        for folder in sorted(Path(name).iterdir()):
            syntax = folder.name.removeprefix("frames ")
            for file in folder.iterdir():
                if syntax not in _UNCOMPRESSED:
                    recompress(file, syntax)
            found[folder.name] = _files(folder)
        write_series(Path(name, "series"), hu, grid, names="numbered")
        found["series"] = _files(Path(name, "series"))
    return found


def _files(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
