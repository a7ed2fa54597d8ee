"""The worst scan of every row and role as a picture: its worst slice, both contours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from pleura.lab.study.methods import Method
from pleura.lab.study.scores import ScanScore, WorstCase
from pleura.lab.study.scoring import Case
from pleura.labels import SCHEMES, lungs_of
from pleura.preprocess import Orientation
from pleura.report.picture import outline, windowed
from pleura.volume import Mask, Volume

REFERENCE_COLOUR = (255, 193, 7)
ROW_COLOUR = (38, 198, 218)
PICTURE_NOTE = (
    "The lowest Dice of a row on validation and on test, over its seeds; the axial slice where the "
    "two differ most. The row's contour is cyan, the reference's amber."
)
_WIDTH = 420
_ROLES = ("validation", "test")

BoolArray = npt.NDArray[np.bool_]


def worst_cases(
    methods: Sequence[Method], cases: Sequence[Case], scores: Sequence[ScanScore]
) -> Iterator[WorstCase]:
    """A picture of the lowest Dice of each row on validation and on test, over its seeds."""
    by_scan = {(case.data.name, case.scan.name): case for case in cases}
    by_run = {(method.row, method.seed): method for method in methods}
    for row in dict.fromkeys(method.row for method in methods):
        for role in _ROLES:
            mine = [s for s in scores if s.row == row and s.role == role and s.has_lung]
            measured = [(s.dice, s) for s in mine if s.dice is not None]
            if not measured:
                continue
            dice, score = min(measured, key=lambda pair: pair[0])
            volume, reference = by_scan[score.set, score.name].load()
            mask = by_run[row, score.seed].mask_of(volume)
            png = contours_png(volume, _lungs(mask), _lungs(reference))
            yield WorstCase(row, score.seed, role, score.name, dice, png)


def _lungs(mask: Mask) -> BoolArray:
    return lungs_of(mask.array, SCHEMES["pleura"])


def contours_png(volume: Volume, predicted: BoolArray, reference: BoolArray) -> bytes:
    """PNG of the axial slice where the two differ most: reference amber, prediction cyan."""
    orientation = Orientation.of(volume.geometry)
    hu = orientation.apply(volume.array)
    ours = np.asarray(orientation.apply(predicted), dtype=bool)
    truth = np.asarray(orientation.apply(reference), dtype=bool)
    z = int((ours ^ truth).sum(axis=(1, 2)).argmax())
    _, y_mm, x_mm = orientation.geometry(volume.geometry).spacing_zyx_mm
    height = max(1, round(_WIDTH * hu.shape[1] * y_mm / (hu.shape[2] * x_mm)))
    size = (_WIDTH, height)
    pixels = windowed(hu[z], size)
    for mask, colour in ((truth[z], REFERENCE_COLOUR), (ours[z], ROW_COLOUR)):
        large = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
        pixels[outline(np.array(large) >= 128)] = colour
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()
