"""A stand-in for the network: lung is what has a lung's HU, sides by the image's middle.

It answers in milliseconds and moves with its input, so that geometry can be tested alone.
"""

from __future__ import annotations

import numpy as np

from pleura import Segmenter
from pleura.resample import FloatArray


class ThresholdEngine:
    name = "threshold"
    device = "cpu"
    precision = "fp32"
    threads = 1

    def __call__(self, batch: FloatArray) -> FloatArray:
        hu = batch[:, 0] * 1624 - 1024
        lung = np.clip(1.5 - np.abs(hu + 800) / 200, 0, 1)
        lung[:, :24], lung[:, -24:] = 0, 0  # the skin's blurred edge looks like lung
        inner = lung * np.exp(-(np.abs(np.linspace(-1, 1, hu.shape[2])) ** 12) * 4)
        right = np.arange(hu.shape[2]) < hu.shape[2] / 2
        return np.stack([inner * right, inner * ~right, 0 * inner], axis=1).astype(np.float32)


class RubbishEngine(ThresholdEngine):
    """A lost network: it takes soft tissue for lung, and is sure of it."""

    name = "rubbish"

    def __call__(self, batch: FloatArray) -> FloatArray:
        hu = batch[:, 0] * 1624 - 1024
        lung = (np.abs(hu - 40) < 60).astype(np.float32)
        right = np.arange(hu.shape[2]) < hu.shape[2] / 2
        return np.stack([lung * right, lung * ~right, 0 * lung], axis=1).astype(np.float32)


def threshold_segmenter() -> Segmenter:
    """The bundled model's rules with the stand-in engine."""
    segmenter = Segmenter(threads=1)
    _ = segmenter.engine  # the real one, which would go on loading beside the test
    segmenter.engine = ThresholdEngine()
    return segmenter
