"""How sure the network was along the mask's edge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_P = np.arange(256) / 255
with np.errstate(divide="ignore", invalid="ignore"):
    _BITS = np.nan_to_num(-_P * np.log2(_P) - (1 - _P) * np.log2(1 - _P)).astype(np.float32)


def edge_entropy(lungs: npt.NDArray[np.integer], level: int) -> float:
    """Mean binary entropy, in bits, of the pixels on both sides of the edge.

    A sharp edge through the middle of pixels has about 0.7; 1 means that the network didn't know.

    Args:
        lungs: (slabs, h, w) probability of either lung, 0 to 255, on the network's grid.
        level: from which a pixel is lung.

    Returns:
        `nan` where there is no edge.
    """
    inside = lungs >= level
    edge = np.zeros_like(inside)
    for axis in (1, 2):
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        change = inside[low] != inside[high]
        edge[low] |= change
        edge[high] |= change
    values = lungs[edge]
    return float(_BITS[values].mean()) if len(values) else float("nan")
