"""At which density an edge was drawn: a voxel more or less is a matter of this."""

from __future__ import annotations

import numpy as np

from pleura.lab.error_map.comparison import BoolArray
from pleura.volume import HUArray


def edge_hu(hu: HUArray, mask: BoolArray) -> float | None:
    """The median, over in-plane neighbours of which one is in the mask, of the HU between them.

    A mask that was cut at a threshold has about that threshold. Lung against soft tissue, half way
    is about -400.

    Args:
        hu: (z, y, x).
        mask: of its shape.

    Returns:
        HU; None where the mask has no edge.
    """
    between = []
    for axis in (1, 2):
        ahead, behind = [slice(None)] * 3, [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        edge = mask[tuple(ahead)] != mask[tuple(behind)]
        pair = hu[tuple(ahead)][edge].astype(np.float32) + hu[tuple(behind)][edge]
        between.append(pair / 2)
    values = np.concatenate(between)
    return float(np.median(values)) if values.size else None
