"""Volume -> the network's input, and `restore`, the exact way back.

orient to the patient's axes -> find one 3-D body box -> window -> resample in plane. The network
sees axial slices one by one, so the z axis is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from pleura.body import Box, box_of, coarse_body
from pleura.model_spec import Preprocessing
from pleura.resample import FloatArray, apply, axis_weights, inverse_weights
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

    def forward(self, slices: npt.NDArray[np.generic], padding: float = 0.0) -> FloatArray:
        """(n, y, x) on the scan -> (n, h, w) on the network's grid; outside is `padding`."""
        out = apply(slices, self.rows, self.columns)
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

    def batches(self, size: int) -> Iterator[FloatArray]:
        """Network input, (n <= size, 1, h, w) float32, slices in canonical order (feet first)."""
        for start in range(0, self.hu.shape[0], size):
            yield normalise(self.grid, self.hu[start : start + size], self.rules)[:, None]


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
    low, high = rules.window_hu
    # Clip before averaging: metal and padding must not bleed into their neighbours.
    clipped = np.clip(slices, max(low, -32768), min(high, 32767))
    return rules.scaled(grid.forward(clipped, padding=max(low, AIR_HU)))
