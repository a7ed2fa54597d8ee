"""Masks made wrong on purpose: what a verdict must find.

Each way takes a `Scene`: labels (z, y, x) uint8 in canonical order (z to the head, y back, x to the
patient's left; 1 right, 2 left), the HU of the same voxels and the spacing in mm. It returns new
labels of that shape and leaves the scene as it is. They are the faults that tools and people make:
a lung missed, a leak, sides exchanged, slices out of place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cc3d
import edt
import numpy as np
import numpy.typing as npt

from pleura.classical import airways, inner_air
from pleura.lab.ways import registering
from pleura.labels import LEFT, RIGHT
from pleura.volume import HUArray, LabelArray

Spacing = tuple[float, float, float]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scene:
    """A good mask and its scan, to be corrupted.

    Args:
        labels, hu: (z, y, x) uint8 and int16, canonical; both lungs are there.
        spacing: (z, y, x) in mm.
        rng: where chance is needed.
    """

    labels: LabelArray
    hu: HUArray
    spacing: Spacing
    rng: np.random.Generator

    @property
    def lung(self) -> BoolArray:
        """(z, y, x): either side, without airways."""
        return np.asarray((self.labels == RIGHT) | (self.labels == LEFT))

    def extent(self, mask: BoolArray) -> tuple[int, int]:
        """First and last slice that `mask` has."""
        places = np.flatnonzero(mask.any(axis=(1, 2)))
        return int(places[0]), int(places[-1])


Way = Callable[[Scene], LabelArray]
CORRUPTIONS: dict[str, Way] = {}
way = registering(CORRUPTIONS)


@way("left lung missing")
def left_missing(scene: Scene) -> LabelArray:
    return np.where(scene.labels == LEFT, 0, scene.labels).astype(np.uint8)


@way("lower third of the right lung missing")
def base_missing(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    first, last = scene.extent(out == RIGHT)
    low = out[: first + (last - first) // 3]
    low[low == RIGHT] = 0
    return out


@way("upper third of both lungs missing")
def top_missing(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    first, last = scene.extent(scene.lung)
    out[last - (last - first) // 3 :] = 0
    return out


@way("back half of the left lung missing")
def back_missing(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    left = out == LEFT
    middle = int(np.median(np.nonzero(left)[1]))
    back = out[:, middle:]
    back[left[:, middle:]] = 0
    return out


@way("trachea and bronchi included")
def trachea_included(scene: Scene) -> LabelArray:
    air, midline = inner_air(scene.hu)
    out = scene.labels.copy()
    out[airways(air, midline, scene.spacing) & (out == 0)] = RIGHT
    return out


@way("gas in stomach or bowel included")
def bowel_included(scene: Scene) -> LabelArray:
    """The largest gas below the lungs' middle; a ball of it where the scan has none."""
    air, _ = inner_air(scene.hu)
    out = scene.labels.copy()
    first, last = scene.extent(scene.lung)
    gas = air & ~_grown(scene.lung, 6.0, scene.spacing)
    gas[(first + last) // 2 :] = False
    piece = cc3d.largest_k(gas, k=1, connectivity=6) > 0
    voxel_ml = float(np.prod(scene.spacing)) / 1000
    if np.count_nonzero(piece) * voxel_ml < 20:
        piece = _ball(scene, (first, *_in_lungs_frame(scene, (0.4, 0.65))), 30.0) & (out == 0)
    out[piece] = LEFT
    return out


@way("air outside the body included")
def room_included(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    first, last = scene.extent(scene.lung)
    middle = slice((first * 2 + last) // 3, (first + last * 2) // 3)
    out[middle, : out.shape[1] // 8][scene.hu[middle, : out.shape[1] // 8] < -800] = RIGHT
    return out


@way("mediastinum filled")
def mediastinum_filled(scene: Scene) -> LabelArray:
    """Between the lungs, row by row, in the lungs' middle third."""
    out = scene.labels.copy()
    first, last = scene.extent(scene.lung)
    for plane in out[(first * 2 + last) // 3 : (first + last * 2) // 3]:
        for row in plane:
            right, left = np.flatnonzero(row == RIGHT), np.flatnonzero(row == LEFT)
            if len(right) and len(left):
                row[right[-1] : left[0]] = RIGHT
    return out


@way("grown by 6 mm")
def grown(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    for side in (RIGHT, LEFT):
        out[_grown(scene.labels == side, 6.0, scene.spacing) & (out == 0)] = side
    return out


@way("shrunk by 6 mm")
def shrunk(scene: Scene) -> LabelArray:
    inner = edt.edt(scene.lung, anisotropy=scene.spacing, black_border=False) > 6.0
    return np.where(inner, scene.labels, 0).astype(np.uint8)


@way("shifted by 15 mm")
def shifted(scene: Scene) -> LabelArray:
    return _rolled(scene.labels, round(15.0 / scene.spacing[2]))


@way("sides exchanged")
def sides_exchanged(scene: Scene) -> LabelArray:
    table = np.array([0, LEFT, RIGHT, 3], dtype=np.uint8)
    return table[scene.labels]


@way("a third of the left lung called right")
def side_line_wrong(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    left = out == LEFT
    border = int(np.quantile(np.nonzero(left)[2], 1 / 3))
    inner = out[:, :, :border]
    inner[left[:, :, :border]] = RIGHT
    return out


@way("slices missing in the middle")
def slices_missing(scene: Scene) -> LabelArray:
    out = scene.labels.copy()
    first, last = scene.extent(scene.lung)
    middle = (first + last) // 2
    out[middle : middle + max(1, round(6.0 / scene.spacing[0]))] = 0
    return out


@way("slices shifted at random")
def slices_jittered(scene: Scene) -> LabelArray:
    """A tenth of them, by 10 to 20 mm."""
    out = scene.labels.copy()
    first, last = scene.extent(scene.lung)
    chosen = scene.rng.choice(np.arange(first, last), max(2, (last - first) // 10), replace=False)
    for z in chosen:
        dx = scene.rng.uniform(10, 20) * scene.rng.choice((-1, 1)) / scene.spacing[2]
        out[z] = _rolled(out[z : z + 1], round(float(dx)))[0]
    return out


@way("upside down")
def upside_down(scene: Scene) -> LabelArray:
    out = np.zeros_like(scene.labels)
    first, last = scene.extent(scene.lung)
    out[first : last + 1] = scene.labels[first : last + 1][::-1]
    return out


@way("mirrored")
def mirrored(scene: Scene) -> LabelArray:
    """The voxels exchanged left for right, labels and all, about the lungs' middle."""
    out = np.zeros_like(scene.labels)
    columns = np.flatnonzero(scene.lung.any(axis=(0, 1)))
    first, last = columns[0], columns[-1]
    out[:, :, first : last + 1] = scene.labels[:, :, first : last + 1][:, :, ::-1]
    return out


@way("holes")
def holes(scene: Scene) -> LabelArray:
    """Ten balls of 30 mm."""
    out = scene.labels.copy()
    places = np.argwhere(scene.lung)
    for place in places[scene.rng.choice(len(places), 10, replace=False)]:
        out[_ball(scene, tuple(int(n) for n in place), 15.0)] = 0
    return out


@way("fragments in soft tissue")
def fragments(scene: Scene) -> LabelArray:
    """Ten balls of 20 mm."""
    out = scene.labels.copy()
    tissue = (scene.hu > -100) & (scene.hu < 200) & ~_grown(scene.lung, 12.0, scene.spacing)
    places = np.argwhere(tissue)
    for place in places[scene.rng.choice(len(places), 10, replace=False)]:
        ball = _ball(scene, tuple(int(n) for n in place), 10.0)
        out[ball & (out == 0)] = RIGHT
    return out


@way("small rubbish instead of lung")
def rubbish(scene: Scene) -> LabelArray:
    """Specks of 12 mm in soft tissue, no lung: what a lost network draws."""
    out = np.zeros_like(scene.labels)
    places = np.argwhere((scene.hu > -100) & (scene.hu < 200))
    for place in places[scene.rng.choice(len(places), 5, replace=False)]:
        out[_ball(scene, tuple(int(n) for n in place), 6.0)] = RIGHT
    return out


def _grown(mask: BoolArray, mm: float, spacing: Spacing) -> BoolArray:
    return np.asarray(edt.edt(~mask, anisotropy=spacing, black_border=False) <= mm)


def _ball(scene: Scene, center: tuple[int, ...], radius_mm: float) -> BoolArray:
    grids = np.ogrid[tuple(slice(0, n) for n in scene.labels.shape)]
    squares = [
        ((grid - place) * mm) ** 2
        for grid, place, mm in zip(grids, center, scene.spacing, strict=True)
    ]
    return np.asarray(sum(squares[1:], squares[0]) <= radius_mm**2)


def _in_lungs_frame(scene: Scene, share: tuple[float, ...]) -> tuple[int, ...]:
    """A place by its share of the lungs' extent along (y, x)."""
    spans = [np.flatnonzero(scene.lung.any(axis=axes)) for axes in ((0, 2), (0, 1))]
    return tuple(int(s[0] + part * (s[-1] - s[0])) for s, part in zip(spans, share, strict=True))


def _rolled(labels: LabelArray, dx: int) -> LabelArray:
    """Shifted along x; what leaves the frame is lost."""
    out = np.roll(labels, dx, axis=2)
    if dx > 0:
        out[:, :, :dx] = 0
    elif dx < 0:
        out[:, :, dx:] = 0
    return out
