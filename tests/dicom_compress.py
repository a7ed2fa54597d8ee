"""Rewrites our DICOM files with compressed pixel data, by the encoders that the tests have."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from pydicom.uid import UID

# 8 x 8, signed 16 bit, reversible, from OpenJPH 0.26.3 by imagecodecs; for `HTJ2K_PLANE`.
_HTJ2K = base64.b64decode(
    "/0//UQApQAAAAAAIAAAACAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB"
    "/1wAEyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAIwAAf+TwAAlqQEHdAAA"
    "AMAAEsAAEsAAEoCcAQd0AIYBh3QA8wIHdADAABUQAAVMAAFQbTtN9wBClADJJCWO5QCBlADZ1j1UAGGUAMAALQgABaUA"
    "AKwd6cXHZ7fHK9IcZ9AEl9cAnRafnSy1ydIjK/sC1LCEt9cA+fPy8/0SHxAAd9cA/9k="
)
_Y, _X = np.mgrid[:8, :8]
HTJ2K_PLANE = ((_Y * 90 + _X * 37) % 500 - 300).astype(np.int16)  # stored values

Encoder = Callable[[npt.NDArray[Any]], bytes]


def _by_gdcm(compressor: str) -> Encoder:
    def encode(plane: npt.NDArray[Any]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder, "x.dcm"))
            writer = sitk.ImageFileWriter()
            writer.SetImageIO("GDCMImageIO")
            writer.SetUseCompression(True)
            writer.SetCompressor(compressor)
            writer.SetFileName(file)
            writer.Execute(sitk.GetImageFromArray(plane))
            data: bytes = pydicom.dcmread(file).PixelData
        return next(pydicom.encaps.generate_frames(data, number_of_frames=1))

    return encode


def _htj2k(plane: npt.NDArray[Any]) -> bytes:
    np.testing.assert_array_equal(plane, HTJ2K_PLANE)  # there is no encoder here
    return _HTJ2K


# Process 14 with selection value 1 is one of process 14's; a reversible stream is one of JPEG 2000.
_ENCODERS: dict[str, Encoder] = {
    "JPEGLossless": _by_gdcm("JPEG"),
    "JPEGLosslessSV1": _by_gdcm("JPEG"),
    "JPEG2000Lossless": _by_gdcm("JPEG2000"),
    "JPEG2000": _by_gdcm("JPEG2000"),
    "HTJ2KLossless": _htj2k,
    "HTJ2KLosslessRPCL": _htj2k,
    "HTJ2K": _htj2k,
}
_BY_PYDICOM = ("RLELossless", "JPEGLSLossless", "JPEGLSNearLossless")
LOSSLESS = ("JPEGLossless", "JPEGLosslessSV1", "JPEG2000Lossless", "JPEG2000", "RLELossless",
            "JPEGLSLossless")  # fmt: skip
HTJ2K = ("HTJ2KLossless", "HTJ2KLosslessRPCL", "HTJ2K")


def recompress(file: Path, syntax: str, jls_error: int = 0) -> None:
    """Rewrite an uncompressed little-endian file (any frames) in a transfer syntax of pydicom."""
    ds = pydicom.dcmread(file)
    uid: UID = getattr(pydicom.uid, syntax)
    if syntax in _BY_PYDICOM:
        options = {"jls_error": jls_error} if syntax == "JPEGLSNearLossless" else {}
        ds.compress(uid, generate_instance_uid=False, **options)
    else:
        kind = "<i2" if ds.PixelRepresentation else "<u2"
        frames = np.frombuffer(ds.PixelData, kind).reshape(-1, ds.Rows, ds.Columns)
        streams = [_ENCODERS[syntax](frame) for frame in frames]
        ds.PixelData = pydicom.encaps.encapsulate(streams)
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = uid
    ds.save_as(file, enforce_file_format=True)
