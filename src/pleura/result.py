"""What a segmentation gives: mask, verdict, record, and ways to save them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pleura.errors import PleuraError, UsageError
from pleura.quality import Quality
from pleura.record import peak_memory_mb
from pleura.volume import Mask, ProbabilityMap, Volume
from pleura.write import MASK_SUFFIXES, check_output, write_mask, write_output

if TYPE_CHECKING:
    from pleura.write.dicom.common import Origin

Source = Any  # a path, numpy array, SimpleITK or nibabel image, or Volume
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Result:
    """A segmentation, or the error that prevented it (from `Segmenter.map`).

    Attributes:
        error: None when all went well; the properties below raise it otherwise.
        mask: labels on the scan's own grid.
        probabilities: of lung, on the scan's own grid; only where they were asked for.
        volume: the scan as it was read.
        volumes_ml: right, left, total; only total without sides.
        quality: verdict and findings.
        record: the object that `pleura segment --json` prints.
    """

    source: Source
    error: PleuraError | None = None
    _mask: Mask | None = None
    _volume: Volume | None = None
    _quality: Quality | None = None
    _record: Mapping[str, Any] = field(default_factory=dict)
    _probabilities: ProbabilityMap | None = None

    @property
    def mask(self) -> Mask:
        return self._present(self._mask)

    @property
    def probabilities(self) -> ProbabilityMap:
        """What the network said, before clean-up and edges; see `ProbabilityMap`.

        Raises:
            UsageError: they were not asked for.
        """
        if self.error is None and self._probabilities is None:
            raise UsageError("No probabilities were kept; segment with probabilities=True.")
        return self._present(self._probabilities)

    @property
    def volume(self) -> Volume:
        return self._present(self._volume)

    @property
    def quality(self) -> Quality:
        return self._present(self._quality)

    @property
    def volumes_ml(self) -> Mapping[str, float]:
        volumes: Mapping[str, float] = self.record["volumes_ml"]
        return volumes

    @property
    def record(self) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        return self._record

    def save(self, path: str | Path, *, deidentify: bool = False) -> None:
        """Write the mask by suffix, atomically.

        Args:
            path: .nii.gz, .nii, .nrrd, .mha or .mhd: an image; .dcm a DICOM SEG, .rtstruct.dcm an
                RTSTRUCT; .stl, .obj, .glb a surface in LPS mm.
            deidentify: leave patients' data out of DICOM objects (PS3.15 E.1); others hold none.

        Raises:
            UsageError: unknown suffix or folder, or the path is the scan itself; a DICOM object of
                a scan that is none; a surface of an empty mask.
            UnreadableError: the scan's DICOM headers are gone or changed.
            OutputError: disk full or no permission; nothing is left behind.
        """
        check_output(Path(path), self.volume.source, MASK_SUFFIXES)
        write_output(self.mask, self.volume, Path(path), self.origin(deidentify))

    def save_probabilities(self, path: str | Path) -> None:
        """Write the probabilities as an image; raises UsageError without them, too."""
        check_output(Path(path), self.volume.source)
        write_mask(self.probabilities, Path(path))

    def origin(self, deidentify: bool = False) -> Origin:
        """Who made the mask, for DICOM objects."""
        from pleura.write.dicom.common import Origin

        model = self.record["model"]
        return Origin(model["name"], model["version"], model["sha256"], deidentify)

    def _present(self, value: T | None) -> T:
        if self.error is not None or value is None:
            raise self.error or PleuraError("This result is empty.")
        return value


def with_output(
    result: Result, output: Path, seconds: float, probabilities: Path | None = None
) -> Result:
    """The result with its outputs' paths and the time of writing in the record."""
    timings = dict(result.record["timings_s"])
    timings["write"] = round(seconds, 3)
    timings["total"] = round(timings["total"] + seconds, 3)
    changed = {
        **result.record,
        "output": str(output),
        "probabilities": None if probabilities is None else str(probabilities),
        "timings_s": timings,
        "peak_memory_mb": peak_memory_mb(),
    }
    return replace(result, _record=changed)
