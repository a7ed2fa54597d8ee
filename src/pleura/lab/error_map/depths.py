"""How far from the reference's surface a voxel lies: is an error an edge's, or a thing's?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pleura.lab.error_map.comparison import Comparison, distance_to
from pleura.lab.error_map.places import DEEP_MM

AT_THE_EDGE, NEAR, FAR = range(3)
DEPTHS = ("the voxel at the edge", "to 5 mm from the edge", "farther than 5 mm")


def depths(one: Comparison) -> npt.NDArray[np.uint8]:
    """An index of `DEPTHS` for every voxel, of volumes and single slices.

    At the edge are the reference's border voxels and, outside, their face neighbours: an error
    there is of a voxel at most. Distances are measured from these border voxels.
    """
    distance = distance_to(one.surface, one.spacing)
    out = np.where(distance > DEEP_MM, FAR, NEAR).astype(np.uint8)
    out[one.surface] = AT_THE_EDGE
    out[~one.lungs & (distance_to(one.lungs, (1.0, 1.0, 1.0)) <= 1)] = AT_THE_EDGE
    return out
