"""The headers of the images that a volume was made from, in the order of its slices."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from pleura.errors import PleuraError, UnreadableError, UsageError
from pleura.volume import Volume

# Without these nothing can refer to an image.
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_SAME_MM = 0.01


@dataclass(frozen=True, eq=False)
class SourceImages:
    """Headers without pixels.

    Args:
        datasets: one a file, each once, in the order of the slices.
        frames: slice -> which dataset, and the frame in it from 0 on.
    """

    datasets: tuple[Dataset, ...]
    frames: tuple[tuple[int, int], ...]

    @property
    def first(self) -> Dataset:
        return self.datasets[0]

    @property
    def is_multiframe(self) -> bool:
        return "PerFrameFunctionalGroupsSequence" in self.first


def check_has_sources(scan: Path | None) -> None:
    """Refuse DICOM objects of a scan that is no DICOM, before any work is done.

    Raises:
        UsageError: so it is.
    """
    from pleura.read.files import SUFFIXES

    if scan is None or (not scan.is_dir() and scan.name.lower().endswith(SUFFIXES)):
        raise UsageError(_no_sources(scan))


def source_images(volume: Volume) -> SourceImages:
    """Read the headers of a volume's images again.

    Raises:
        UsageError: it wasn't read from DICOM, or its images can't be referred to.
        UnreadableError: they are gone or were changed since.
    """
    if volume.source is None or not volume.instances:
        raise UsageError(_no_sources(volume.source))
    datasets: dict[str, Dataset] = {}
    frames = []
    with _files(volume.source) as root:
        for name, frame in volume.instances:
            if name not in datasets:
                datasets[name] = _header(root / name if name else root, volume.source)
            frames.append((list(datasets).index(name), frame))
    found = SourceImages(tuple(datasets.values()), tuple(frames))
    if found.is_multiframe and len(found.datasets) > 1:
        raise UsageError(
            f"{volume.source} is spread over several multi-frame files, which a DICOM object of "
            "pleura can't refer to; write a .nii.gz instead."
        )
    _check_unchanged(found, volume)
    return found


def _no_sources(scan: Path | None) -> str:
    return (
        "A DICOM SEG, RTSTRUCT or SR refers to the DICOM images it was made from, and "
        f"{scan or 'this image'} is no DICOM; segment the DICOM series, or write a .nii.gz."
    )


@contextmanager
def _files(source: Path) -> Iterator[Path]:
    """Where the files lie: the folder or file itself, or an unpacked zip."""
    if source.is_dir() or not source.name.lower().endswith(".zip"):
        yield source
        return
    from pleura.read.archive import extract_zip
    from pleura.write.leftovers import temporary_folder

    with temporary_folder(Path(tempfile.gettempdir()), "pleura-zip-") as folder:
        extract_zip(source, folder)
        yield folder


def _header(file: Path, source: Path) -> Dataset:
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        dataset.walk(lambda *_: None)  # pydicom decodes an element when it is first looked at
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises many kinds on a damaged header
        raise UnreadableError(
            f"The headers of {source} can't be read again; leave the scan where it is meanwhile."
        ) from error
    lacking = [name for name in _NEEDED if not dataset.get(name)]
    if lacking:
        raise UsageError(
            f"The images of {source} have no {lacking[0]}, so nothing can refer to them; write a "
            ".nii.gz instead."
        )
    return dataset


def _check_unchanged(found: SourceImages, volume: Volume) -> None:
    first, last = (_position(found, index) for index in (0, -1))
    grid = volume.geometry
    count = grid.shape_zyx[0]
    for position, index in ((first, 0), (last, count - 1)):
        expected = grid.affine[:3] @ np.array([0, 0, index, 1.0])
        far = position is not None and np.abs(np.array(position) - expected).max() > _SAME_MM
        if far and volume.source is not None and not _moved(volume):
            raise UnreadableError(
                f"{volume.source} was changed since it was read; run the command again."
            )


def _moved(volume: Volume) -> bool:
    """Whether the grid is known not to follow each slice's own position."""
    return any(f.code in ("slices_shifted", "position_assumed") for f in volume.findings)


def _position(found: SourceImages, index: int) -> list[float] | None:
    number, frame = found.frames[index]
    dataset = found.datasets[number]
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    place = groups[frame] if groups else dataset
    if "PlanePositionSequence" in place:
        place = place.PlanePositionSequence[0]
    position = place.get("ImagePositionPatient")
    return None if position is None else [float(v) for v in position]


def sentence_of(error: Exception, what: str, source: Path | None) -> PleuraError:
    """What a library's refusal of the source's headers means."""
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
    return UsageError(
        f"The headers of {source} can't be carried into {what} ({reason}); write a .nii.gz instead."
    )
