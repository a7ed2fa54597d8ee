"""Compressed pixel data -> values, by SimpleITK's GDCM, and where that fails by pydicom.

GDCM knows JPEG, JPEG lossless, JPEG-LS, JPEG 2000 and HTJ2K (by OpenJPEG 2.5); pydicom by itself
RLE and deflated files.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from pydicom.config import IGNORE
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
)

from pleura.errors import UnreadableError
from pleura.read.dicom_file import read_whole
from pleura.read.dicom_frames import StoredImage
from pleura.read.dicom_headers import CT_STORAGE
from pleura.read.itk_path import itk_path
from pleura.write.leftovers import temporary_folder

Values = npt.NDArray[Any]
_Codec = Callable[[StoredImage], Values]

_OLD_JPEG = "1.2.840.10008.1.2.4.5"  # .50 to .57
_stderr = Lock()  # which all threads share
_ENHANCED = CT_STORAGE - {"1.2.840.10008.5.1.4.1.1.2"}
# GDCM ends the process over some RLE, in which it is six times slower too.
_PYDICOM_ALONE = (RLELossless, DeflatedExplicitVRLittleEndian)
# What GDCM needs to know of frames whose values it shall leave as they are.
_PIXEL_ATTRIBUTES = (
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames",
)  # fmt: skip


def decode(image: StoredImage) -> Values:
    """All frames (f, y, x) of a compressed file, as stored.

    Raises:
        UnreadableError: no codec can read them; names file and transfer syntax.
    """
    plain = image.frames == 1 and image.sop_class not in _ENHANCED
    attempts: tuple[_Codec, ...]
    attempts = (_by_gdcm, _by_pydicom) if plain else (_by_pydicom, _by_gdcm)
    if image.transfer_syntax in _PYDICOM_ALONE:
        attempts = (_by_pydicom,)
    for attempt in attempts:
        try:
            return attempt(image)
        except Exception:
            continue
    raise undecodable(image)


def undecodable(image: StoredImage) -> UnreadableError:
    syntax = UID(image.transfer_syntax, validation_mode=IGNORE).name
    return UnreadableError(
        f"The pixels of '{image.path.name}' can't be decoded (transfer syntax {syntax}); "
        "convert the series with `gdcmconv --raw` or `dcmdjpeg` first."
    )


def _by_gdcm(image: StoredImage) -> Values:
    """As stored, by way of a file of our own that holds only what GDCM needs.

    GDCM gives all frames one rescale, if it finds any, and allocates what a wrong length claims.
    """
    ds = read_whole(image.path)
    frames = pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=image.frames)
    plain = pydicom.Dataset()
    for name in _PIXEL_ATTRIBUTES:
        if name in ds:
            plain[name] = ds[name]
    plain.PixelData = pydicom.encaps.encapsulate(list(frames))
    plain["PixelData"].VR, plain["PixelData"].is_undefined_length = "OB", True
    plain.file_meta = pydicom.dataset.FileMetaDataset()
    plain.file_meta.TransferSyntaxUID = UID(image.transfer_syntax)
    sop_class = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    plain.SOPClassUID = plain.file_meta.MediaStorageSOPClassUID = sop_class
    uid = pydicom.uid.generate_uid(entropy_srcs=[str(image.path)])
    plain.SOPInstanceUID = plain.file_meta.MediaStorageSOPInstanceUID = uid
    with temporary_folder(Path(tempfile.gettempdir()), "pleura-frames-") as folder:
        file = folder / "frames.dcm"
        plain.save_as(file, enforce_file_format=True)
        return _gdcm_array(file, image)


def _gdcm_array(path: Path, image: StoredImage) -> Values:
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    twelve_bit = image.bits_stored > 8 and image.transfer_syntax.startswith(_OLD_JPEG)
    try:
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(itk_path(path))
        with _no_chatter() if twelve_bit else nullcontext():
            array: Values = sitk.GetArrayFromImage(reader.Execute())
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    return array.reshape(-1, image.rows, image.columns)


@contextmanager
def _no_chatter() -> Iterator[None]:
    """Standard error closed: GDCM tries libjpeg's 8 bits first, which complains by itself."""
    with _stderr, Path(os.devnull).open("wb") as nowhere:
        try:
            kept = os.dup(2)
        except OSError:  # there is none
            yield
            return
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _by_pydicom(image: StoredImage) -> Values:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array: Values = read_whole(image.path).pixel_array
    return np.asarray(array).reshape(-1, image.rows, image.columns)
