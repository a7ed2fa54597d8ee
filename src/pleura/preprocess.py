"""Volume -> the network's input. The way back is in restore.py, by the same grid.

orient to the patient's axes -> find one 3-D body box -> window -> average thin slices to slabs ->
resample in plane. The network sees slabs one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.body import Box, box_of, coarse_body
from pleura.model_spec import Preprocessing
from pleura.resample import FloatArray, apply, axis_weights, inverse_weights, used_inputs
from pleura.slabs import Slabs
from pleura.volume import AIR_HU, Geometry, HUArray, Volume


@dataclass(frozen=True)
class Orientation:
    """How the patient's axes lie in an array: canonical = flip(array.transpose(axes), flips).

    Canonical order is (z towards the head, y towards the back, x towards the patient's left).
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, geometry: Geometry) -> Orientation:
        """The permutation and flips nearest to the patient's axes; oblique grids stay oblique."""
        # cosines[w, a]: component of array axis a (z, y, x order) along world axis w (z, y, x).
        cosines = geometry.direction_lps[::-1, ::-1]
        axes = max(
            permutations(range(3)), key=lambda p: sum(abs(cosines[w, p[w]]) for w in range(3))
        )
        flips = tuple(bool(cosines[w, axes[w]] < 0) for w in range(3))
        return cls((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    def apply(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """A view of the array in canonical order."""
        view = array.transpose(self.axes)
        return view[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def undo(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """A view of a canonical array in the scan's own order."""
        view = array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        inverse = np.argsort(self.axes)
        return view.transpose(tuple(int(a) for a in inverse))

    def geometry(self, geometry: Geometry) -> Geometry:
        """The grid of the canonical array."""
        return geometry.transposed(self.axes, self.flips)


@dataclass(frozen=True, eq=False)
class NetworkGrid:
    """Where the network's pixels lie on the canonical volume, with the weights of both ways."""

    shape: tuple[int, int]
    pixel_mm: float
    rows: FloatArray
    columns: FloatArray
    rows_back: FloatArray
    columns_back: FloatArray

    @classmethod
    def fit(
        cls, box: Box, shape_yx: tuple[int, int], spacing_yx_mm: tuple[float, float],
        long_side: int, multiple: int,
    ) -> NetworkGrid:  # fmt: skip
        """Square pixels; the box's longer side takes `long_side` of them, the grid is centred."""
        height_mm = (box.y1 - box.y0) * spacing_yx_mm[0]
        width_mm = (box.x1 - box.x0) * spacing_yx_mm[1]
        pixel_mm = max(height_mm, width_mm) / long_side

        def axis(low: float, high: float, n: int, spacing: float) -> tuple[FloatArray, FloatArray]:
            wanted = (high - low) * spacing / pixel_mm
            n_out = max(multiple, int(np.ceil(wanted / multiple - 1e-6)) * multiple)
            step = pixel_mm / spacing
            start = (low + high) / 2 - n_out * step / 2
            return axis_weights(n, start, step, n_out), inverse_weights(n, start, step, n_out)

        rows, rows_back = axis(box.y0, box.y1, shape_yx[0], spacing_yx_mm[0])
        columns, columns_back = axis(box.x0, box.x1, shape_yx[1], spacing_yx_mm[1])
        return cls(
            (rows.shape[0], columns.shape[0]), pixel_mm, rows, columns, rows_back, columns_back
        )

    def part(self, rows: slice, columns: slice) -> NetworkGrid:
        """The grid of a window of the network's pixels."""
        part = self.rows[rows], self.columns[columns]
        return NetworkGrid(
            (len(part[0]), len(part[1])), self.pixel_mm, *part,
            self.rows_back[:, rows], self.columns_back[:, columns],
        )  # fmt: skip

    @cached_property
    def source(self) -> tuple[slice, slice]:
        """The scan's rows and columns that the grid sees."""
        return used_inputs(self.rows), used_inputs(self.columns)

    def forward(self, slices: npt.NDArray[np.generic], padding: float = 0.0) -> FloatArray:
        """(..., y, x) on the scan -> (..., h, w) on the network's grid; outside is `padding`."""
        y, x = self.source
        return self.forward_source(slices[..., y, x], padding)

    def forward_source(self, part: npt.NDArray[np.generic], padding: float = 0.0) -> FloatArray:
        """`forward` for slices that were cut to `source` already."""
        y, x = self.source
        out = apply(part, self.rows[:, y], self.columns[:, x])
        if padding:
            covered = self.rows.sum(axis=1)[:, None] * self.columns.sum(axis=1)[None, :]
            out += padding * (1.0 - covered)
        return out

    def restore(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """(n, h, w) on the network's grid -> (n, y, x) on the scan; 0 outside the grid."""
        return apply(values, self.rows_back, self.columns_back)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scan made ready: its canonical HU view, the way back, and the network's grid."""

    hu: HUArray  # canonical order, a view
    orientation: Orientation
    geometry: Geometry  # of the canonical array
    box: Box
    grid: NetworkGrid
    rules: Preprocessing
    has_body: bool  # False for a scan of air alone

    @cached_property
    def slabs(self) -> Slabs:
        """How slices are grouped for the network."""
        return Slabs.of(self.hu.shape[0], self.geometry.spacing_zyx_mm[0], self.rules.slab_mm)

    def batch(self, slabs: Sequence[int]) -> FloatArray:
        """Network input of some slabs, (n, 1, h, w) float32; outside the scan is air."""
        y, x = self.grid.source
        bounds = [self.slabs.bounds(index) for index in slabs]
        means = [mean_slice(self.hu[start:stop, y, x], self.rules) for start, stop in bounds]
        values = self.grid.forward_source(np.stack(means), padding=_padding(self.rules))
        return self.rules.scaled(values)[:, None]

    def batches(self, size: int) -> Iterator[FloatArray]:
        """Network input of all slabs, up to `size` at a time, in canonical order (feet first)."""
        for start in range(0, len(self.slabs), size):
            yield self.batch(range(start, min(start + size, len(self.slabs))))


def prepare(volume: Volume, rules: Preprocessing) -> Prepared:
    """Orient, find the body and lay the network's grid over it."""
    orientation = Orientation.of(volume.geometry)
    hu: HUArray = orientation.apply(volume.array)  # type: ignore[assignment]
    geometry = orientation.geometry(volume.geometry)
    height, width = hu.shape[1:]
    body = coarse_body(hu)
    box = Box(0, height, 0, width)
    if rules.crop == "body":
        box = box_of(body, (hu.shape[0], height, width))
    _, spacing_y, spacing_x = geometry.spacing_zyx_mm
    grid = NetworkGrid.fit(
        box, (height, width), (spacing_y, spacing_x), rules.long_side, rules.multiple
    )
    return Prepared(hu, orientation, geometry, box, grid, rules, bool(body.any()))


def normalise(grid: NetworkGrid, slices: HUArray, rules: Preprocessing) -> FloatArray:
    """Window, resample and scale slices (n, y, x) to the network's input (n, h, w)."""
    y, x = grid.source
    part = _clipped(slices[:, y, x], rules)
    return rules.scaled(grid.forward_source(part, padding=_padding(rules)))


def mean_slice(slices: HUArray, rules: Preprocessing) -> npt.NDArray[Any]:
    """Windowed HU (n, y, x) of a slab -> their mean (y, x), exact for any number of slices."""
    clipped = _clipped(slices, rules)
    if len(clipped) == 1:
        single: npt.NDArray[Any] = clipped[0]
        return single
    largest = max(abs(value) for value in rules.window_hu) * len(clipped)
    # Sums in int16 while they fit: half the memory traffic of the step that reads most.
    small = clipped.dtype == np.int16 and largest < 2**15
    total = np.add.reduce(clipped, axis=0, dtype=np.int16 if small else np.float32)
    mean: FloatArray = total.astype(np.float32)
    mean /= len(clipped)
    return mean


def _clipped(slices: HUArray, rules: Preprocessing) -> npt.NDArray[Any]:
    """Clipped before any averaging: metal and padding must not bleed into their neighbours."""
    low, high = max(rules.window_hu[0], -32768.0), min(rules.window_hu[1], 32767.0)
    if low.is_integer() and high.is_integer() and low <= high:  # stays int16
        return np.clip(slices, int(low), int(high))
    return np.clip(slices, low, high)


def _padding(rules: Preprocessing) -> float:
    """What lies outside the scan, in HU."""
    return max(rules.window_hu[0], AIR_HU)
