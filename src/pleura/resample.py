"""Separable resampling as matrix products, so that forward and back are exact mirror images.

An axis of n pixels spans the continuous interval [0, n): pixel i covers [i, i + 1). A target axis
is described by where it starts on that interval and how long one of its pixels is (`step`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

_BAND = 32  # outputs of one product; more look at more inputs in vain, fewer at too few at once

FloatArray = npt.NDArray[np.float32]


def axis_weights(n_in: int, start: float, step: float, n_out: int) -> FloatArray:
    """Weights (n_out, n_in) that average (step >= 1) or interpolate (step < 1) onto a new axis.

    Averaging weighs each input pixel by its overlap with the output pixel (area averaging, which
    keeps occupancies exact); interpolation is linear between pixel centres. Rows that reach
    outside the input sum to less than 1: what is missing is the share of padding.
    """
    lower = start + step * np.arange(n_out)[:, None]
    pixel = np.arange(n_in)[None, :]
    if step >= 1.0:
        overlap = np.minimum(lower + step, pixel + 1) - np.maximum(lower, pixel)
        return np.asarray(np.clip(overlap, 0.0, None) / step, dtype=np.float32)
    centre = lower + step / 2 - 0.5
    return np.asarray(np.clip(1.0 - np.abs(centre - pixel), 0.0, None), dtype=np.float32)


def inverse_weights(n_in: int, start: float, step: float, n_out: int) -> FloatArray:
    """Weights (n_in, n_out) that bring values from the new axis back, linear between centres.

    Pixels whose centre lies outside the new axis get zero rows; within it the edge is held.
    """
    position = (np.arange(n_in)[:, None] + 0.5 - start) / step - 0.5
    inside = (position >= -0.5) & (position <= n_out - 0.5)
    position = np.clip(position, 0.0, n_out - 1.0)
    weights = np.clip(1.0 - np.abs(position - np.arange(n_out)[None, :]), 0.0, None)
    return np.where(inside, weights, 0.0).astype(np.float32)


def used_inputs(weights: FloatArray) -> slice:
    """The range of inputs that any row of weights (n_out, n_in) looks at."""
    used = np.flatnonzero(weights.any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)


class _BlasLimit:
    """One limit for the whole process, however many use it and in whatever order they end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._limit: Any = None  # what restores the number of threads from before

    def enter(self) -> None:
        with self._lock:
            if not self._users:
                self._limit = _blas().limit(limits=1, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()


_blas_limit = _BlasLimit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Matrix products on the calling thread alone; BLAS counts its threads for all of a process.

    Ours are small and called from several threads of our own; a BLAS that spreads each of them
    spends its time waiting (measured: 9 s instead of 0.5 s beside another busy process).
    """
    _blas_limit.enter()
    try:
        yield
    finally:
        _blas_limit.leave()


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries


def apply(slices: npt.NDArray[np.generic], rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Resample a stack (..., y, x) to (..., y', x') float32 by row and column weights."""
    values = np.asarray(slices, dtype=np.float32)
    wide = np.empty((*values.shape[:-1], len(columns)), dtype=np.float32)
    for out, used in _bands(columns):
        np.matmul(values[..., used], columns[out, used].T, out=wide[..., out])
    result = np.empty((*values.shape[:-2], len(rows), len(columns)), dtype=np.float32)
    for out, used in _bands(rows):
        np.matmul(rows[out, used], wide[..., used, :], out=result[..., out, :])
    return result


def _bands(weights: FloatArray) -> Iterator[tuple[slice, slice]]:
    """Some outputs at a time with the inputs that they look at, most weights being 0."""
    for start in range(0, len(weights), _BAND):
        out = slice(start, min(start + _BAND, len(weights)))
        yield out, used_inputs(weights[out])
