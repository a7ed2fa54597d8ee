"""A mask and its scan -> DICOM files; the headers of the scan are read once for all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pleura.errors import PleuraError
from pleura.measure.result import measurement
from pleura.volume import Mask, Volume
from pleura.write.atomic import write_bytes
from pleura.write.dicom.common import Origin, file_bytes
from pleura.write.dicom.deidentify import deidentified
from pleura.write.dicom.rtstruct import structure_set
from pleura.write.dicom.seg import segmentation
from pleura.write.dicom.sources import SourceImages, sentence_of, source_images

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

T = TypeVar("T")


class DicomObjects:
    """What can be written of one mask.

    Args:
        mask: on the grid of `volume`.
        volume: read from DICOM.
        origin: the network, and whether patients' data are left out.

    Every method raises UsageError where the scan's images can't be referred to, UnreadableError
    where they were changed since, and OutputError where the file can't be written.
    """

    def __init__(self, mask: Mask, volume: Volume, origin: Origin) -> None:
        self.mask, self.volume, self.origin = mask, volume, origin

    @cached_property
    def sources(self) -> SourceImages:
        found = source_images(self.volume)
        return deidentified(found) if self.origin.deidentify else found

    @cached_property
    def seg(self) -> Segmentation:
        return self._made("a DICOM SEG", lambda s: segmentation(self.mask, s, self.origin))

    def write_seg(self, path: Path) -> None:
        write_bytes(path, file_bytes(self.seg))

    def write_rtstruct(self, path: Path) -> None:
        made = self._made("an RTSTRUCT", lambda s: structure_set(self.mask, s, self.origin))
        write_bytes(path, file_bytes(made))

    def write_sr(self, path: Path, verdict: str) -> None:
        """Write the measurements; they refer to `seg`, so that should be written, too."""
        from pleura.write.dicom.sr import measurement_report

        found = measurement(self.volume, self.mask)
        made = self._made(
            "a DICOM SR",
            lambda s: measurement_report(found, verdict, self.seg, self.mask, s, self.origin),
        )
        write_bytes(path, file_bytes(made))

    def _made(self, what: str, make: Callable[[SourceImages], T]) -> T:
        sources = self.sources
        try:
            with warnings.catch_warnings():
                # Of highdicom about names of patients, which are as the source has them.
                warnings.simplefilter("ignore")
                return make(sources)
        except (PleuraError, MemoryError):
            raise
        except Exception as error:  # of highdicom and pydicom, about odd headers
            raise sentence_of(error, what, self.volume.source) from error
