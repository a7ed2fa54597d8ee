"""Writes masks as real DICOM SEG (by highdicom) and RTSTRUCT (by pydicom) of a CT series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from pleura.volume import Geometry

LUNG = Code("39607008", "SCT", "Lung")
TRACHEA = Code("44567001", "SCT", "Trachea")
ORGAN = Code("91772007", "SCT", "Organ")
NEOPLASM = Code("108369006", "SCT", "Neoplasm")
SIDES = {"right": Code("24028007", "SCT", "Right"), "left": Code("7771000", "SCT", "Left")}
_ANATOMY = Code("91723000", "SCT", "Anatomical Structure")


@dataclass(frozen=True, eq=False)
class Segment:
    """A named mask (z, y, x); `code` with `side` says what it is, `region` where it lies."""

    name: str
    mask: npt.NDArray[np.generic]
    code: Code = ORGAN
    side: str | None = None
    region: Code | None = None


def images_of(folder: Path) -> list[pydicom.Dataset]:
    """The slices of a series in the order of their position along z."""
    found = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    normal = np.cross(*np.reshape(found[0].ImageOrientationPatient, (2, 3)).astype(float))
    return sorted(found, key=lambda ds: float(np.dot(normal, ds.ImagePositionPatient)))


def write_seg(
    path: Path, images: Sequence[pydicom.Dataset], segments: Sequence[Segment],
    kind: str = "BINARY", overrides: Mapping[str, object] | None = None,
    syntax: str = ExplicitVRLittleEndian,
) -> None:  # fmt: skip
    """One SEG on these slices (masks have one plane a slice); empty frames are left out."""
    for ds in images:  # what highdicom copies and the phantom has no use for
        for name in ("StudyID", "AccessionNumber", "PatientBirthDate", "PatientSex"):
            setattr(ds, name, "")
    pixels = np.stack([segment.mask for segment in segments], axis=-1)
    seg = hd.seg.Segmentation(
        source_images=images,
        pixel_array=pixels.astype(np.float32 if kind == "FRACTIONAL" else np.uint8),
        segmentation_type=kind,
        segment_descriptions=[_description(n, s) for n, s in enumerate(segments, 1)],
        series_instance_uid=generate_uid(),
        series_number=100,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="pleura",
        manufacturer_model_name="phantom",
        software_versions="0",
        device_serial_number="0",
        transfer_syntax_uid=syntax,
    )
    for name, value in (overrides or {}).items():
        delattr(seg, name) if value is None else setattr(seg, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    seg.save_as(path)


def _description(number: int, segment: Segment) -> hd.seg.SegmentDescription:
    found = hd.seg.SegmentDescription(
        number, segment.name, _ANATOMY, segment.code, "MANUAL",
        anatomic_regions=[segment.region] if segment.region else None,
    )  # fmt: skip
    if segment.side:
        place, modifier = (
            ("AnatomicRegionSequence", "AnatomicRegionModifierSequence")
            if segment.region
            else (
                "SegmentedPropertyTypeCodeSequence",
                "SegmentedPropertyTypeModifierCodeSequence",
            )
        )
        side = SIDES[segment.side]
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = side.value, side.scheme_designator
        code.CodeMeaning = side.meaning
        setattr(found[place][0], modifier, [code])
    return found


def write_rtstruct(
    path: Path, images: Sequence[pydicom.Dataset], rois: Mapping[str, Iterable[npt.NDArray]],
    *, reference: str = "series",
) -> None:  # fmt: skip
    """One RTSTRUCT: ROI name -> contours, each (n, 3) corners in LPS mm.

    `reference` is "series", "instances" (slices alone) or "frame" (FrameOfReferenceUID alone).
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.PatientID, ds.PatientName = "RTSTRUCT", "PHANTOM", "PHANTOM^TEST"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = images[0].StudyInstanceUID, generate_uid()
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID if reference == "series" else "1.2.3"
    series.ContourImageSequence = [_item(ReferencedSOPInstanceUID=i.SOPInstanceUID) for i in images]
    study = _item(RTReferencedSeriesSequence=[series])
    frame = _item(FrameOfReferenceUID=images[0].FrameOfReferenceUID)
    if reference != "frame":
        frame.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence = [
        _item(ROINumber=n, ROIName=name, ROIGenerationAlgorithm="MANUAL",
              ReferencedFrameOfReferenceUID=images[0].FrameOfReferenceUID)
        for n, name in enumerate(rois, 1)
    ]  # fmt: skip
    ds.ROIContourSequence = [
        _item(ReferencedROINumber=n, ContourSequence=[
            _item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points),
                  ContourData=[f"{value:.6g}"[:16] for value in np.ravel(points)])
            for points in contours
        ])
        for n, contours in enumerate(rois.values(), 1)
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def _item(**values: object) -> Dataset:
    found = Dataset()
    for name, value in values.items():
        setattr(found, name, value)
    return found


def outlines(mask: npt.NDArray[np.bool_], geometry: Geometry) -> list[npt.NDArray[np.float64]]:
    """Closed contours (n, 3) in LPS mm along the pixels' edges, those of holes among them."""
    found = []
    for z, plane in enumerate(mask):
        for loop in _loops(plane):
            xyz = np.column_stack([np.array(loop) - 0.5, np.full(len(loop), z)])
            found.append(xyz @ geometry.affine[:3, :3].T + geometry.affine[:3, 3])
    return found


def _loops(plane: npt.NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Corners (x, y) of the pixels' outline; edges run with the inside on one hand."""
    padded = np.pad(plane, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, x in np.argwhere(plane).tolist():
        for outside, start, end in (
            (padded[y, x + 1], (x, y), (x + 1, y)),
            (padded[y + 1, x + 2], (x + 1, y), (x + 1, y + 1)),
            (padded[y + 2, x + 1], (x + 1, y + 1), (x, y + 1)),
            (padded[y + 1, x], (x, y + 1), (x, y)),
        ):
            if not outside:
                following.setdefault(start, []).append(end)
    loops = []
    while following:
        start = next(iter(following))
        loop = [start]
        while True:
            ends = following[loop[-1]]
            end = ends.pop()
            if not ends:
                del following[loop[-1]]
            if end == start:
                break
            loop.append(end)
        loops.append(loop)
    return loops
