"""Separable resampling as matrix products, so that forward and back are exact mirror images.

An axis of n pixels spans the continuous interval [0, n): pixel i covers [i, i + 1). A target axis
is described by where it starts on that interval and how long one of its pixels is (`step`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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


def apply(slices: npt.NDArray[np.generic], rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Resample a stack (..., y, x) to (..., y', x') float32 by row and column weights."""
    floats = np.asarray(slices, dtype=np.float32)
    result: FloatArray = np.matmul(rows, np.matmul(floats, columns.T))
    return result
