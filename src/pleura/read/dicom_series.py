"""Which DICOM series are under a path, and which of them can be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pleura.errors import GeometryError, InputError, UnreadableError
from pleura.read.dicom_frames import Slice, StoredImage
from pleura.read.dicom_headers import find_files, read_headers
from pleura.read.dicom_kind import is_derived
from pleura.read.dicom_split import split
from pleura.read.dicom_stack import Stack, build_stack, plane_axes
from pleura.read.dicom_usable import unusable
from pleura.read.unchanged import Stamp, Stamps, stamp_of

Orientation = Literal["axial", "coronal", "sagittal", "oblique"]

_AXIS_COSINE = 0.85  # about 32 degrees: a gantry tilts by up to 30


@dataclass(frozen=True, eq=False)
class Series:
    """One stack of slices found by the header scan, before any pixel is read.

    A SeriesInstanceUID that mixes patients, studies, orientations, sizes or frames of reference
    gives several (`dicom_split`).
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
    slices: tuple[Slice, ...] = field(default=(), repr=False)
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
    """All series under a path.

    `damaged` names DICOM files whose headers can't be used, and what may not be opened; `stamps`
    are of all files that were looked at, from before they were opened.
    """

    series: tuple[Series, ...]
    damaged: tuple[str, ...] = ()
    stamps: Stamps = field(default_factory=dict, repr=False)


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
    denied: list[str] = []
    stamps: dict[Path, Stamp | None] = {}
    for file in find_files(path, denied) if files is None else files:
        stamps[file] = stamp_of(file)
        try:
            slices += read_headers(file)
        except UnreadableError:
            damaged.append(file.name)
        except OSError:
            denied.append(file.name)
    if not slices:
        raise UnreadableError(_why_nothing(path, damaged, denied, bool(stamps)))
    # A cut-off header may have lost the size, so the damage counts for the whole series.
    broken = {s.image.series_uid: s.image for s in slices if s.image.damage}
    series = [_series_of(group, broken.get(group[0].image.series_uid)) for group in split(slices)]
    return FolderScan(tuple(sorted(series, key=listing_order)), (*damaged, *denied), stamps)


def _why_nothing(path: Path, damaged: list[str], denied: list[str], seen: bool) -> str:
    if damaged:
        return (
            f"None of the DICOM files in '{path}' has a readable header (such as '{damaged[0]}'); "
            "copy or export them again."
        )
    if denied:
        return f"'{denied[0]}' in '{path}' may not be read by you; check its permissions."
    what = "holds no DICOM file" if seen else "is an empty folder"
    if path.is_file():
        what = "is no DICOM file"
    return f"'{path}' {what}; give a DICOM series or a NIfTI, NRRD or MHA file."


def scan_folder(path: Path) -> list[Series]:
    """The series of `scan_path`, by series number; raises as it does."""
    return list(scan_path(path).series)


def listing_order(series: Series) -> tuple[float, str, int]:
    number = float("inf") if series.number is None else series.number
    return number, series.uid, -series.n_slices


def _series_of(group: Sequence[Slice], broken: StoredImage | None) -> Series:
    stack: Stack | None = None
    rejection, rejected = unusable(group, broken)
    if not rejected:
        try:
            stack = build_stack(group)
        except GeometryError as error:
            rejection, rejected = GeometryError, str(error)
    ordered: Sequence[Slice] = group if stack is None else stack.slices
    first = ordered[0]
    image = first.image
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
        derived=is_derived(image),
        rejected=rejected,
        rejection=rejection,
        slices=tuple(ordered),
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
