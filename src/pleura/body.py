"""Where the patient is: a coarse, robust body mask and its in-plane box."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import fill_voids
import numpy as np
import numpy.typing as npt

BODY_HU = -500  # between air and fat, also on scans whose scale is 0.8 x HU
_COARSE_PIXELS = 128  # the body is searched on a grid of about this many pixels
_COARSE_SLICES = 64
_OPENING = 1 / 64  # radius over the frame's side: about 8 mm, more than a table's shell
_MARGIN = 0.02  # of the box's longer side, so that skin never touches the edge


@dataclass(frozen=True)
class Box:
    """A half-open in-plane box in pixels, [y0, y1) x [x0, x1); may reach outside the frame."""

    y0: float
    y1: float
    x0: float
    x1: float

    @property
    def longer(self) -> float:
        return max(self.y1 - self.y0, self.x1 - self.x0)

    def grown(self, margin: float, shape_yx: tuple[int, int]) -> Box:
        """Wider by `margin` pixels on each side, but not beyond the frame."""
        return Box(
            max(0.0, self.y0 - margin), min(float(shape_yx[0]), self.y1 + margin),
            max(0.0, self.x0 - margin), min(float(shape_yx[1]), self.x1 + margin),
        )  # fmt: skip


def strides(shape_zyx: tuple[int, ...]) -> tuple[int, int, int]:
    """Steps (z, y, x) of the coarse grid on a canonical volume."""
    rows, columns = (max(1, round(n / _COARSE_PIXELS)) for n in shape_zyx[1:])
    return max(1, shape_zyx[0] // _COARSE_SLICES), rows, columns


def coarse_body(hu: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """The body on the coarse grid, with the air that it encloses in plane.

    The largest connected region denser than air, filled, after an in-plane opening that removes
    the table, blankets and cables. All False when there is none.
    """
    step_z, step_y, step_x = strides(hu.shape)
    dense = hu[::step_z, step_y // 2 :: step_y, step_x // 2 :: step_x] > BODY_HU
    # Lungs are filled first, or a thin chest wall would be opened away with the table.
    filled = np.stack([np.asarray(fill_voids.fill(plane), dtype=bool) for plane in dense])
    opened = _opened(filled)
    if not opened.any():
        return opened
    return np.asarray(cc3d.largest_k(opened.astype(np.uint8), k=1, connectivity=6) > 0)


def body_box(hu: npt.NDArray[np.int16]) -> Box:
    """One in-plane box around the body over all slices of a canonical volume (z, y, x).

    A scan without a body, or with one smaller than a tenth of the frame, gets the whole frame.
    """
    _, height, width = hu.shape
    return box_of(coarse_body(hu), (hu.shape[0], height, width))


def box_of(body: npt.NDArray[np.bool_], shape_zyx: tuple[int, int, int]) -> Box:
    """The box around a coarse body of a canonical volume of this shape; see `body_box`."""
    _, height, width = shape_zyx
    _, step_y, step_x = strides(shape_zyx)
    ys = np.flatnonzero(body.any(axis=(0, 2)))
    xs = np.flatnonzero(body.any(axis=(0, 1)))
    whole = Box(0, height, 0, width)
    if not ys.size:
        return whole
    box = Box(ys[0] * step_y, (ys[-1] + 1) * step_y, xs[0] * step_x, (xs[-1] + 1) * step_x)
    if box.y1 - box.y0 < height / 10 or box.x1 - box.x0 < width / 10:
        return whole
    return box.grown(max(step_y, step_x, _MARGIN * box.longer), (height, width))


def _opened(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """In-plane binary opening by a rectangle; what lies outside the frame doesn't erode it."""

    def spread(m: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
        radius = max(1, round(_OPENING * m.shape[axis]))
        out = m.copy()
        for by in range(1, min(radius, m.shape[axis] - 1) + 1):
            low = (slice(None),) * axis + (slice(None, -by),)
            high = (slice(None),) * axis + (slice(by, None),)
            out[low] |= m[high]
            out[high] |= m[low]
        return out

    eroded = ~spread(spread(~mask, 1), 2)
    return spread(spread(eroded, 1), 2)
