from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from pleura.resample import apply, axis_weights, inverse_weights, one_blas_thread


def test_averaging_by_whole_pixels_is_the_mean() -> None:
    values = np.arange(12, dtype=np.float32)
    weights = axis_weights(12, 0, 3, 4)
    assert np.allclose(weights @ values, values.reshape(4, 3).mean(axis=1))


def test_averaging_weighs_parts_of_pixels() -> None:
    # [0.5, 2) covers half of pixel 0 and all of pixel 1.
    assert np.allclose(axis_weights(3, 0.5, 1.5, 1), [[0.5 / 1.5, 1 / 1.5, 0]])


@given(st.integers(1, 60), st.floats(-5, 5), st.floats(0.2, 6), st.integers(1, 40))
def test_rows_sum_to_one_inside_and_to_less_outside(
    n: int, start: float, step: float, n_out: int
) -> None:
    sums = axis_weights(n, start, step, n_out).sum(axis=1)
    assert (sums <= 1 + 1e-5).all()
    lower = start + step * np.arange(n_out)
    margin = 0.5 if step < 1 else 0.0  # interpolation needs a neighbour
    inside = (lower >= margin) & (lower + step <= n - margin)
    assert np.allclose(sums[inside], 1, atol=1e-5)


@given(st.integers(2, 60), st.floats(1, 6))
def test_averaging_keeps_the_total(n: int, step: float) -> None:
    values = np.random.default_rng(n).random(n).astype(np.float32)
    n_out = int(np.ceil(n / step))
    averaged = axis_weights(n, 0, step, n_out) @ values
    assert averaged.sum() * step == pytest.approx(values.sum(), rel=1e-4)


@given(st.integers(24, 60), st.floats(0.3, 4), st.floats(-1, 1))
def test_back_and_forth_keeps_a_straight_line(n: int, step: float, slope: float) -> None:
    n_out = max(2, int(n / step))
    line = slope * (np.arange(n) + 0.5)
    there = axis_weights(n, 0, step, n_out) @ line
    back = inverse_weights(n, 0, step, n_out) @ there
    edge = int(np.ceil(step)) + 1
    inner = slice(edge, int(n_out * step) - edge)
    assert line[inner].size > 0
    # pixels are blocks, so an average over parts of them is off by a fraction of a pixel
    assert np.allclose(back[inner], line[inner], atol=0.13 * abs(slope) + 1e-3)


def test_back_is_zero_where_the_grid_does_not_reach() -> None:
    weights = inverse_weights(10, 4, 2, 2)  # covers [4, 8)
    sums = weights.sum(axis=1)
    assert np.allclose(sums, [0, 0, 0, 0, 1, 1, 1, 1, 0, 0])


def test_apply_is_separable_and_float32() -> None:
    stack = np.arange(24, dtype=np.int16).reshape(1, 4, 6)
    half = apply(stack, axis_weights(4, 0, 2, 2), axis_weights(6, 0, 2, 3))
    assert half.dtype == np.float32
    assert np.allclose(half[0], stack[0].reshape(2, 2, 3, 2).mean(axis=(1, 3)))


def blas_threads() -> set[int]:
    """Of numpy's BLAS; scipy's, which other tests load beside it, is never used here."""
    return {
        each["num_threads"]
        for each in threadpool_info()
        if each["user_api"] == "blas" and "numpy" in each["filepath"]
    }


def test_uses_that_overlap_leave_blas_as_it_was() -> None:
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("needs a BLAS with several threads")
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}  # the second still counts on it
        second.__exit__(None, None, None)
        assert blas_threads() == {2}
        with pytest.raises(ZeroDivisionError), one_blas_thread():
            raise ZeroDivisionError
        assert blas_threads() == {2}
