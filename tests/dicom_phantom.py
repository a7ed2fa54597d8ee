"""Writes HU volumes as valid synthetic CT DICOM, for all tests. No patient, only PHANTOM^TEST."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

from pleura.volume import Geometry

INTERCEPT = -1024


def write_series(
    folder: Path,
    hu_zyx: npt.NDArray[Any],
    geometry: Geometry | None = None,
    *,
    description: str = "CHEST",
    series_number: int = 1,
    names: Literal["random", "numbered"] = "random",
    modality: str = "CT",
    overrides: Mapping[str, object] | None = None,
    per_slice: Callable[[int], Mapping[str, object]] | None = None,
    suffix: str = ".dcm",
    rescale: Sequence[tuple[float, float]] | None = None,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    study_uid: str | None = None,
) -> str:
    """Write one file a slice and return the SeriesInstanceUID.

    Args:
        folder: created when missing.
        hu_zyx: HU (z, y, x).
        geometry: default 1 mm isotropic at the origin; may be oblique or sheared.
        names: "numbered" names files in order, "random" in a shuffled order (seeded).
        overrides: attributes for every slice; None deletes one.
        per_slice: slice number -> more overrides for that slice.
        rescale: (slope, intercept) of each slice; default (1, -1024).
        transfer_syntax: uncompressed, deflated or RLE.
        study_uid: to put two series in one study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hu_zyx = np.asarray(hu_zyx)
    geometry = geometry or Geometry.from_parts(hu_zyx.shape)
    uid = str(pydicom.uid.generate_uid())
    study = study_uid or str(pydicom.uid.generate_uid())
    frame_of_reference = str(pydicom.uid.generate_uid())
    order = np.random.default_rng(series_number).permutation(len(hu_zyx))
    for k, plane in enumerate(hu_zyx):
        ds = _image(CTImageStorage, modality, transfer_syntax)
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, uid
        ds.FrameOfReferenceUID = frame_of_reference
        ds.SeriesNumber, ds.SeriesDescription = series_number, description
        ds.InstanceNumber = k + 1
        ds.AcquisitionNumber = 1
        ds.PixelSpacing = _decimals(geometry.spacing_zyx_mm[1:])
        ds.SliceThickness = _decimals(geometry.spacing_zyx_mm[:1])[0]
        ds.ImageOrientationPatient = _decimals(geometry.direction_lps[:, :2].T.ravel())
        ds.ImagePositionPatient = _decimals(geometry.affine[:3] @ [0, 0, k, 1])
        slope, intercept = rescale[k] if rescale else (1, INTERCEPT)
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        ds.RescaleType = "HU"
        _set_pixels(ds, np.rint((plane - intercept) / slope))
        for name, value in {**(overrides or {}), **(per_slice(k) if per_slice else {})}.items():
            _override(ds, name, value)
        if transfer_syntax == pydicom.uid.RLELossless:
            ds.compress(transfer_syntax)
        stem = f"{k + 1:04d}" if names == "numbered" else f"IM{order[k]:05d}"
        ds.save_as(folder / f"{stem}{suffix}", enforce_file_format=True)
    return uid


def write_multiframe(
    path: Path,
    hu_zyx: npt.NDArray[Any],
    geometry: Geometry | None = None,
    *,
    order: Sequence[int] | None = None,
    rescale: Sequence[tuple[float, float]] | None = None,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    stacks: Sequence[int] | None = None,
    times: int = 1,
    image_type: Sequence[str] = ("ORIGINAL", "PRIMARY", "VOLUME", "NONE"),
) -> str:
    """Write an Enhanced CT file, frames stored in `order`; returns the SeriesInstanceUID.

    `rescale` gives (slope, intercept) of each slice; None shares (1, -1024) by all. `stacks` gives
    each slice's StackID; with `times` the slices are that many scans of one place in turn.
    """
    hu_zyx = np.asarray(hu_zyx)
    geometry = geometry or Geometry.from_parts(hu_zyx.shape)
    ds = _image(EnhancedCTImageStorage, "CT", transfer_syntax)
    ds.StudyInstanceUID = str(pydicom.uid.generate_uid())
    ds.SeriesInstanceUID = str(pydicom.uid.generate_uid())
    ds.FrameOfReferenceUID = str(pydicom.uid.generate_uid())
    ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = 1, 1, "CHEST"
    shared = Dataset()
    measures = Dataset()
    measures.PixelSpacing = _decimals(geometry.spacing_zyx_mm[1:])
    measures.SliceThickness = _decimals(geometry.spacing_zyx_mm[:1])[0]
    orientation = Dataset()
    orientation.ImageOrientationPatient = _decimals(geometry.direction_lps[:, :2].T.ravel())
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frame_type = Dataset()
    ds.ImageType = frame_type.FrameType = list(image_type)
    shared.CTImageFrameTypeSequence = [frame_type]
    if rescale is None:
        shared.PixelValueTransformationSequence = [_transformation(1, INTERCEPT)]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames, stored = [], []
    for k in order or range(len(hu_zyx)):
        slope, intercept = rescale[k] if rescale else (1, INTERCEPT)
        group, position = Dataset(), Dataset()
        places = len(hu_zyx) // times
        position.ImagePositionPatient = _decimals(geometry.affine[:3] @ [0, 0, k % places, 1])
        group.PlanePositionSequence = [position]
        if stacks is not None or times > 1:
            content = Dataset()
            content.StackID = str(stacks[k] if stacks else 1)
            content.TemporalPositionIndex = k // places + 1
            group.FrameContentSequence = [content]
        if rescale is not None:
            group.PixelValueTransformationSequence = [_transformation(slope, intercept)]
        frames.append(group)
        stored.append(np.rint((hu_zyx[k] - intercept) / slope))
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.NumberOfFrames = len(frames)
    _set_pixels(ds, np.stack(stored))
    if transfer_syntax == pydicom.uid.RLELossless:
        ds.compress(transfer_syntax)
    ds.save_as(path, enforce_file_format=True)
    return str(ds.SeriesInstanceUID)


def _image(sop_class: UID, modality: str, transfer_syntax: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = (
        ExplicitVRLittleEndian if transfer_syntax == pydicom.uid.RLELossless else transfer_syntax
    )
    ds = FileDataset(
        "",
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=meta.TransferSyntaxUID.is_implicit_VR,
        is_little_endian=meta.TransferSyntaxUID.is_little_endian,
    )
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.Modality = modality
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientName, ds.PatientID = "PHANTOM^TEST", "PHANTOM"
    ds.PatientPosition = "HFS"
    ds.StudyDate, ds.StudyTime = "20000101", "120000"
    return ds


def _transformation(slope: float, intercept: float) -> Dataset:
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, "HU"
    return item


def _set_pixels(ds: Dataset, stored: npt.NDArray[Any]) -> None:
    """Signed 16 bit; `stored` is (y, x) or (frames, y, x)."""
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    order = ">" if ds.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRBigEndian else "<"
    ds.PixelData = stored.astype(f"{order}i2").tobytes()
    ds["PixelData"].VR = "OW"


def _override(ds: Dataset, name: str, value: object) -> None:
    if value is None:
        if name in ds:
            delattr(ds, name)
        return
    setattr(ds, name, value)


def _decimals(values: Any) -> list[str]:
    """DICOM decimal strings hold 16 characters."""
    return [pydicom.valuerep.format_number_as_ds(float(v) + 0.0) for v in values]
