"""Which DICOM series are under a path, and which of them can be used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pleura.errors import GeometryError, InputError, NotCTError, UnreadableError
from pleura.read.dicom_frames import Slice, StoredImage
from pleura.read.dicom_headers import SECONDARY_CAPTURE, find_files, read_headers
from pleura.read.dicom_stack import Stack, build_stack, plane_axes

Orientation = Literal["axial", "coronal", "sagittal", "oblique"]

_LOCALIZER = re.compile(r"scout|topogram|locali[sz]er|surview|scanogram|scano\b", re.IGNORECASE)
_DERIVED_TYPES = frozenset(
    {"DERIVED", "SECONDARY", "MIP", "MINIP", "MPR", "REFORMATTED", "VRT", "PERFUSION"}
)
_DERIVED_NAME = re.compile(r"\b(mip|minip|mpr|vrt|reformat\w*)\b", re.IGNORECASE)
_SAME_DIRECTION = 2e-3
_AXIS_COSINE = 0.85  # about 32 degrees: a gantry tilts by up to 30


@dataclass(frozen=True, eq=False)
class Series:
    """One stack of slices found by the header scan, before any pixel is read.

    A SeriesInstanceUID that mixes orientations, sizes or frames of reference gives several.
    `files` are ordered by position; `spacing_zyx_mm` is None where the grid is unusable;
    `rejected` is "" or the sentence why the series can't be used; `chosen` and `reason` are set by
    `rank_series`.
    """

    uid: str
    number: int | None
    description: str
    modality: str
    files: tuple[Path, ...]
    n_slices: int
    rows: int
    columns: int
    spacing_zyx_mm: tuple[float, float, float] | None
    coverage_mm: float
    orientation: Orientation
    kernel: str
    slice_thickness_mm: float | None
    image_type: tuple[str, ...]
    region: str = ""
    derived: bool = False
    rejected: str = ""
    chosen: bool = False
    reason: str = ""
    rejection: type[InputError] = field(default=UnreadableError, repr=False)
    stack: Stack | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """How sentences call it, e.g. `series 3 'CHEST 1.0'`."""
        number = "without number" if self.number is None else str(self.number)
        return f"series {number}" + (f" '{self.description}'" if self.description else "")

    def summary(self) -> dict[str, object]:
        """The patient-free JSON object that `pleura info` lists."""
        return {
            "uid": self.uid,
            "number": self.number,
            "description": self.description,
            "modality": self.modality,
            "orientation": self.orientation,
            "n_slices": self.n_slices,
            "shape": [self.n_slices, self.rows, self.columns],
            "spacing_zyx_mm": None if self.spacing_zyx_mm is None else list(self.spacing_zyx_mm),
            "kernel": self.kernel,
            "slice_thickness_mm": self.slice_thickness_mm,
            "chosen": self.chosen,
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class FolderScan:
    """All series under a path, and the names of DICOM files whose headers can't be used."""

    series: tuple[Series, ...]
    damaged: tuple[str, ...] = ()


def scan_path(path: Path, files: Iterable[Path] | None = None) -> FolderScan:
    """Read the headers of a file, or of all files under a folder, in any order and naming.

    Files that are not DICOM and DICOMDIRs are passed over; `files` takes only these of the folder.

    Raises:
        UnreadableError: nothing there, no DICOM among the files, or only damaged files.
    """
    if not path.exists():
        raise UnreadableError(f"'{path}' does not exist; check the path.")
    slices: list[Slice] = []
    damaged: list[str] = []
    seen = 0
    for file in find_files(path) if files is None else files:
        seen += 1
        try:
            slices += read_headers(file)
        except (UnreadableError, OSError):
            damaged.append(file.name)
    if not slices and damaged:
        raise UnreadableError(
            f"None of the DICOM files in '{path}' has a readable header (such as '{damaged[0]}'); "
            "copy or export them again."
        )
    if not slices:
        what = "is an empty folder" if not seen else "holds no DICOM file"
        if path.is_file():
            what = "is no DICOM file"
        raise UnreadableError(f"'{path}' {what}; give a DICOM series or a NIfTI, NRRD or MHA file.")
    # A cut-off header may have lost the size, so the damage counts for the whole series.
    broken = {s.image.series_uid: s.image for s in slices if s.image.damage}
    series = [_series_of(group, broken.get(group[0].image.series_uid)) for group in _split(slices)]
    return FolderScan(tuple(sorted(series, key=listing_order)), tuple(damaged))


def scan_folder(path: Path) -> list[Series]:
    """The series of `scan_path`, by series number; raises as it does."""
    return list(scan_path(path).series)


def listing_order(series: Series) -> tuple[float, str, int]:
    number = float("inf") if series.number is None else series.number
    return number, series.uid, -series.n_slices


def _split(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Group by series, then by everything that must be equal within one stack."""
    slices = list(slices)
    references: dict[str, list[str]] = {}
    for item in slices:
        references.setdefault(item.image.series_uid, []).append(item.image.frame_of_reference)
    # Some anonymizers give every file its own frame of reference, which then says nothing.
    shared = {uid for uid, found in references.items() if len(set(found)) < max(len(found), 3)}
    groups: dict[object, list[list[Slice]]] = {}
    for item in slices:
        image = item.image
        key = (
            image.series_uid, image.modality, image.rows, image.columns,
            image.frame_of_reference if image.series_uid in shared else "",
            image.samples, "LOCALIZER" in image.image_type,
        )  # fmt: skip
        alike = groups.setdefault(key, [])
        for group in alike:
            if _parallel(group[0], item):
                group.append(item)
                break
        else:
            alike.append([item])
    return [group for alike in groups.values() for group in alike]


def _parallel(a: Slice, b: Slice) -> bool:
    """Same direction and same pixel size."""
    for left, right, tolerance in (
        (a.orientation, b.orientation, _SAME_DIRECTION),
        (a.pixel_spacing, b.pixel_spacing, 1e-3),
    ):
        if (left is None) != (right is None):
            return False
        if left and right and max(abs(p - q) for p, q in zip(left, right, strict=True)) > tolerance:
            return False
    return True


def _series_of(group: Sequence[Slice], broken: StoredImage | None) -> Series:
    first = group[0]
    image = first.image
    stack: Stack | None = None
    rejection, rejected = _unusable(group, broken)
    if not rejected:
        try:
            stack = build_stack(group)
        except GeometryError as error:
            rejection, rejected = GeometryError, str(error)
    ordered: Sequence[Slice] = group if stack is None else stack.slices
    spacing = None if stack is None else stack.geometry.spacing_zyx_mm
    return Series(
        uid=image.series_uid,
        number=image.series_number,
        description=image.description,
        modality=image.modality,
        files=tuple(dict.fromkeys(s.image.path for s in ordered)),
        n_slices=len(ordered),
        rows=image.rows,
        columns=image.columns,
        spacing_zyx_mm=spacing,
        coverage_mm=0.0 if spacing is None else spacing[0] * len(ordered),
        orientation=_orientation(first),
        kernel=image.kernel,
        slice_thickness_mm=first.thickness,
        image_type=image.image_type,
        region=image.region,
        derived=bool(_DERIVED_TYPES.intersection(image.image_type))
        or image.sop_class.startswith(SECONDARY_CAPTURE)
        or _DERIVED_NAME.search(image.description) is not None,
        rejected=rejected,
        rejection=rejection,
        stack=stack,
    )


def _orientation(item: Slice) -> Orientation:
    try:
        normal = plane_axes(item.orientation or (1, 0, 0, 0, 1, 0))[2]
    except GeometryError:
        return "oblique"
    names: tuple[Orientation, ...] = ("sagittal", "coronal", "axial")
    for component, name in zip(normal, names, strict=True):
        if abs(component) >= _AXIS_COSINE:
            return name
    return "oblique"


def _unusable(group: Sequence[Slice], broken: StoredImage | None) -> tuple[type[InputError], str]:
    """Why a stack can't be a CT scan, as (error class, sentence); the sentence is "" if it can."""
    image = group[0].image
    if image.modality != "CT":
        return NotCTError, not_ct_sentence({image.modality}, image.path)
    localizer = "LOCALIZER" in image.image_type
    if localizer or (_LOCALIZER.search(image.description) and len(group) <= 4):
        return NotCTError, "It is a localizer (scout view), not a CT stack; give the axial series."
    if image.samples != 1 or image.photometric == "PALETTE COLOR":
        return NotCTError, (
            "It is a colour picture without Hounsfield units; give the original CT series."
        )
    if broken is not None:
        return UnreadableError, f"File '{broken.path.name}' {broken.damage}; copy the series again."
    if not all(s.image.has_pixels for s in group) or not image.rows or not image.columns:
        return UnreadableError, (
            f"File '{image.path.name}' has no pixel data; give the CT images themselves."
        )
    return UnreadableError, ""


def not_ct_sentence(modalities: set[str], path: Path) -> str:
    found = ", ".join(sorted(m or "unknown" for m in modalities))
    return f"'{path.name}' has modality {found}, not CT; give a CT series of the chest."
