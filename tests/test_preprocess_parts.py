"""A window of the network's grid is treated as the whole grid is."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.body import Box
from pleura.preprocess import NetworkGrid
from pleura.resample import apply


@st.composite
def grids(draw: st.DrawFn) -> NetworkGrid:
    """A network's grid over a box somewhere in a scan; it reaches beyond the box."""
    h, w = draw(st.integers(8, 70)), draw(st.integers(8, 70))
    y0, x0 = draw(st.integers(0, h - 4)), draw(st.integers(0, w - 4))
    box = Box(y0, draw(st.integers(y0 + 3, h)), x0, draw(st.integers(x0 + 3, w)))
    spacing = draw(st.floats(0.5, 2)), draw(st.floats(0.5, 2))
    return NetworkGrid.fit(box, (h, w), spacing, draw(st.sampled_from([32, 48, 64])), 16)


@st.composite
def grids_and_windows(draw: st.DrawFn) -> tuple[NetworkGrid, slice, slice]:
    grid = draw(grids())
    rows, columns = (
        slice(start, draw(st.integers(start + 1, n)))
        for n in grid.shape
        for start in [draw(st.integers(0, n - 1))]
    )
    return grid, rows, columns


def scan_of(grid: NetworkGrid) -> np.ndarray:
    shape = (2, grid.rows.shape[1], grid.columns.shape[1])
    return np.random.default_rng(0).integers(-1000, 400, shape, dtype=np.int16)


@settings(deadline=None)
@given(grids_and_windows(), st.sampled_from([0.0, -1024.0]))
def test_a_part_of_the_grid_is_a_window_of_the_whole(
    case: tuple[NetworkGrid, slice, slice], padding: float
) -> None:
    grid, rows, columns = case
    part, scan = grid.part(rows, columns), scan_of(grid)
    whole = grid.forward(scan, padding)
    assert part.pixel_mm == grid.pixel_mm
    assert part.shape == whole[0, rows, columns].shape
    assert np.allclose(part.forward(scan, padding), whole[:, rows, columns], atol=1e-2)
    values = np.zeros(whole.shape, np.float32)
    values[:, rows, columns] = np.random.default_rng(1).random((2, *part.shape))
    restored = part.restore(values[:, rows, columns])
    assert restored.shape == scan.shape
    assert np.allclose(restored, grid.restore(values), atol=1e-5)


@settings(deadline=None)
@given(grids_and_windows())
def test_the_source_is_all_that_the_grid_sees_and_no_more(
    case: tuple[NetworkGrid, slice, slice],
) -> None:
    grid, rows, columns = case
    scan = scan_of(grid)
    for each in (grid, grid.part(rows, columns)):
        y, x = each.source
        everything = apply(scan, each.rows, each.columns)  # knows nothing of `source`
        assert np.allclose(each.forward(scan), everything, atol=1e-2)
        assert np.allclose(each.forward_source(scan[:, y, x]), everything, atol=1e-2)
        if each.rows.any():
            assert each.rows[:, y.start].any() and each.rows[:, y.stop - 1].any()
        if each.columns.any():
            assert each.columns[:, x.start].any() and each.columns[:, x.stop - 1].any()
