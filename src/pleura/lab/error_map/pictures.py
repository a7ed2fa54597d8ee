"""Pictures of the slices with most error, of scans that may be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pleura.lab.error_map.comparison import BoolArray, Comparison
from pleura.report.picture import Pixels, outline, windowed

# Scans whose names begin so may be shown, with these words; no others.
SHOWN: Mapping[str, str] = MappingProxyType(
    {
        "lidc": "LIDC-IDRI, CC BY 3.0",
        "tcga": "TCGA, CC BY 3.0",
        "sbu": "COVID-19-NY-SBU, CC BY 4.0",
    }
)
MOST = 6
FALSE_POSITIVE, FALSE_NEGATIVE, REFERENCE = (244, 67, 54), (41, 182, 246), (255, 214, 0)
_WIDTH = 480
_TINT = 0.6
_MOST_BYTES = 140_000
_GREYS = (32, 16, 8)  # fewer where noise would fill the file


@dataclass(frozen=True, eq=False)
class Candidate:
    """The slice of a scan with most error, drawn."""

    scan: str
    patient: str
    role: str
    error_cm2: float
    png: bytes


def attribution(scan: str) -> str | None:
    """The words that a picture of this scan needs; None where it may not be shown."""
    return next((words for start, words in SHOWN.items() if scan.startswith(start)), None)


def worst_slice(one: Comparison) -> tuple[int, float]:
    """The slice of these arrays with most error, and its error in cm2."""
    wrong = (one.found ^ one.lungs).sum(axis=(1, 2))
    z = int(wrong.argmax())
    return z, float(wrong[z]) * one.spacing[1] * one.spacing[2] / 100


def chosen(candidates: Sequence[Candidate], most: int = MOST) -> list[Candidate]:
    """The worst slices, one a patient, as many of each role."""
    roles = sorted({one.role for one in candidates})
    out: list[Candidate] = []
    for role in roles:
        patients: dict[str, Candidate] = {}
        for one in sorted(candidates, key=lambda one: -one.error_cm2):
            if one.role == role:
                patients.setdefault(one.patient, one)
        out += list(patients.values())[: most // len(roles)]
    return out


def png(one: Comparison, z: int) -> bytes:
    """A slice as PNG: `drawn`."""
    from PIL import Image

    data = b""
    for greys in _GREYS:
        buffer = BytesIO()
        Image.fromarray(drawn(one, z, greys)).save(buffer, format="PNG", optimize=True)
        data = buffer.getvalue()
        if len(data) <= _MOST_BYTES:
            break
    return data


def drawn(one: Comparison, z: int, greys: int = _GREYS[0]) -> Pixels:
    """A slice in the lung window, (height, 480, 3) uint8, the patient's right on the left.

    Red: found, but not in the reference; blue: in the reference, but not found; yellow: the
    reference's outline.
    """
    rows, columns = one.hu.shape[1] * one.spacing[1], one.hu.shape[2] * one.spacing[2]
    size = (_WIDTH, max(1, round(_WIDTH * rows / columns)))
    step = 256 // greys
    grey: npt.NDArray[np.float32] = (windowed(one.hu[z], size) // step * step).astype(np.float32)
    for wrong, colour in (
        (one.false_positive[z], FALSE_POSITIVE), (one.false_negative[z], FALSE_NEGATIVE),
    ):  # fmt: skip
        part = _resized(wrong, size)
        grey[part] = (1 - _TINT) * grey[part] + _TINT * np.array(colour)
    grey[outline(_resized(one.lungs[z], size))] = REFERENCE
    return grey.astype(np.uint8)


def _resized(mask: BoolArray, size: tuple[int, int]) -> BoolArray:
    from PIL import Image

    pixels = Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    return np.asarray(pixels) > 0
