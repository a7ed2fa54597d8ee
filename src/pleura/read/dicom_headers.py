"""DICOM headers: every file under a path -> `Slice`s, before any pixel is read."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pydicom

from pleura.errors import UnreadableError
from pleura.read.dicom_file import DicomStream
from pleura.read.dicom_frames import Slice, StoredImage, slices_of
from pleura.read.dicom_marks import mark_of
from pleura.read.dicom_values import (
    HEADER_TAGS,
    image_type_of,
    integer_of,
    plain_text_of,
    text_of,
)

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# CT Image Storage, Enhanced CT, Legacy Converted Enhanced CT.
CT_STORAGE = frozenset(f"1.2.840.10008.5.1.4.1.1.2{suffix}" for suffix in ("", ".1", ".2"))

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
# JPEG's processes 1 to 13; the lossless ones begin with 14 (.57).
_ALWAYS_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(50, 57))


def find_files(path: Path, denied: list[str] | None = None) -> Iterator[Path]:
    """Every regular file under a folder (sub-folders too), in name order; or the file itself.

    Links to folders aren't followed. Names of folders that can't be listed are added to `denied`.
    """
    if path.is_file():
        yield path
        return

    def refused(error: OSError) -> None:
        if denied is not None:
            denied.append(Path(error.filename).name)

    for folder, folders, names in os.walk(path, onerror=refused):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if _has_content(file):
                yield file


def _has_content(file: Path) -> bool:
    """A regular file, no pipe, device or broken link, and not empty, as those that block are."""
    try:
        found = file.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def read_headers(path: Path) -> list[Slice]:
    """The slices of one file; [] when it is not DICOM or a DICOMDIR.

    Raises:
        UnreadableError: the file says it is DICOM, but its header can't be used.
        OSError: it can't be opened.
    """
    with DicomStream(path) as file:
        start = file.read(140)
        preamble = start[128:132] == b"DICM"
        if not preamble and not _looks_like_old_dicom(start):
            return []
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = pydicom.dcmread(
                    file, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=not preamble
                )
                if _is_directory(ds):
                    return []
                known = text_of(ds, "Modality") or plain_text_of(ds, "SOPClassUID")
                if not known and not preamble:
                    return []
                if not known:
                    raise ValueError("neither modality nor SOP class")
                image = _locate_pixels(_stored_image(path, ds), file)
                return list(slices_of(image, ds))
        except OSError:
            raise
        except Exception as error:  # pydicom raises many kinds on a damaged header
            raise UnreadableError(
                f"The DICOM header of '{path.name}' is damaged; copy the file again."
            ) from error


def _is_directory(ds: pydicom.Dataset) -> bool:
    """A DICOMDIR; its class stands in the file meta information only (PS3.10 8.6)."""
    return MEDIA_DIRECTORY in (
        plain_text_of(_meta_of(ds), "MediaStorageSOPClassUID"),
        plain_text_of(ds, "SOPClassUID"),
    )


def _meta_of(ds: pydicom.Dataset) -> pydicom.Dataset:
    meta: pydicom.Dataset = getattr(ds, "file_meta", pydicom.Dataset())
    return meta


def _looks_like_old_dicom(start: bytes) -> bool:
    """A file without preamble begins with an element of group 0002 or 0008 and a small length."""
    return (
        len(start) >= 12
        and start[:2] in (b"\x08\x00", b"\x02\x00")
        and start[3] == 0
        and (start[4:6].isalpha() or start[6:8] == b"\x00\x00")
    )


def _padding(ds: pydicom.Dataset, bits: int, signed: bool) -> tuple[int, int] | None:
    value = integer_of(ds, "PixelPaddingValue")
    if value is None:
        return None
    limit = integer_of(ds, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    if signed:  # some writers store the signed value as unsigned
        low, high = (v - (1 << bits) if v >= 1 << (bits - 1) else v for v in (low, high))
    return min(low, high), max(low, high)


def _stored_image(path: Path, ds: pydicom.Dataset) -> StoredImage:
    bits = integer_of(ds, "BitsAllocated") or 0
    stored = integer_of(ds, "BitsStored") or bits
    stored = stored if 0 < stored <= bits else bits
    high_bit = integer_of(ds, "HighBit")
    if high_bit is None or not stored - 1 <= high_bit < bits:
        high_bit = stored - 1
    signed = integer_of(ds, "PixelRepresentation") == 1
    sop_class = plain_text_of(ds, "SOPClassUID")
    syntax = plain_text_of(_meta_of(ds), "TransferSyntaxUID")
    return StoredImage(
        path=path,
        series_uid=plain_text_of(ds, "SeriesInstanceUID"),
        series_number=integer_of(ds, "SeriesNumber"),
        description=text_of(ds, "SeriesDescription"),
        region=f"{text_of(ds, 'BodyPartExamined')} {text_of(ds, 'ProtocolName')}".strip(),
        modality=text_of(ds, "Modality").upper() or ("CT" if sop_class in CT_STORAGE else ""),
        sop_class=sop_class,
        image_type=image_type_of(ds),
        frame_of_reference=plain_text_of(ds, "FrameOfReferenceUID"),
        kernel=text_of(ds, "ConvolutionKernel"),
        transfer_syntax=syntax or (_IMPLICIT if ds.original_encoding[0] else _EXPLICIT),
        has_pixels=False,
        rows=integer_of(ds, "Rows") or 0,
        columns=integer_of(ds, "Columns") or 0,
        frames=integer_of(ds, "NumberOfFrames") or 1,
        samples=integer_of(ds, "SamplesPerPixel") or 1,
        photometric=text_of(ds, "PhotometricInterpretation").upper(),
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=high_bit,
        signed=signed,
        padding=_padding(ds, bits or 16, signed),
        rescale_type=text_of(ds, "RescaleType").upper(),
        lossy=text_of(ds, "LossyImageCompression") == "01" or syntax in _ALWAYS_LOSSY,
        study=mark_of(ds, "StudyInstanceUID"),
        patient=mark_of(ds, "PatientID"),
        patient_position=text_of(ds, "PatientPosition").upper(),
        directions=tuple(text_of(ds, "PatientOrientation").upper().split()),
    )


def _locate_pixels(image: StoredImage, file: IO[bytes]) -> StoredImage:
    """Find the pixel data element, at which pydicom stopped, and see whether it is complete."""
    size = os.fstat(file.fileno()).st_size
    if image.transfer_syntax == _DEFLATED:  # the position means nothing in a deflated stream
        return replace(image, has_pixels=image.rows > 0)
    start = file.tell()
    big = image.transfer_syntax == BIG_ENDIAN
    header = file.read(12)
    has_pixels = header[:4] in ((b"\x7f\xe0\x00\x10",) if big else (b"\xe0\x7f\x10\x00",))
    if not has_pixels:
        damage = "has no pixel data or is cut off" if image.sop_class in CT_STORAGE else ""
        return replace(image, damage=damage)
    expected = image.rows * image.columns * image.frames * image.samples * image.bits_allocated // 8
    native = image.transfer_syntax in (_IMPLICIT, _EXPLICIT, BIG_ENDIAN)
    if not native:
        return replace(image, has_pixels=True, damage=_fragment_damage(file, start + 12, size))
    offset = start + (8 if image.transfer_syntax == _IMPLICIT else 12)
    damage = "is cut off" if offset + expected > size else ""
    return replace(image, has_pixels=True, offset=offset, damage=damage)


def _fragment_damage(file: IO[bytes], offset: int, size: int) -> str:
    """Walk the fragments of compressed pixel data: decoders accept a cut-off stream silently."""
    while offset + 8 <= size:
        file.seek(offset)
        item = file.read(8)
        if item[:4] == b"\xfe\xff\xdd\xe0":
            return ""
        if item[:4] != b"\xfe\xff\x00\xe0":
            return "has damaged pixel data"
        offset += 8 + int.from_bytes(item[4:], "little")
    # Writers that forget the delimiter at the very end exist; nothing is lost then.
    return "" if offset == size else "is cut off"
