"""Right or left, where lungs touch and the labels don't say: a trained model draws the line.

Only the line between the sides is the model's. Which voxels are lung stays as the labels have it,
and pieces that lie clearly on one side stay there, see `sides.sides_from_geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pleura.errors import UsageError
from pleura.infer.model_folder import DEFAULT_MODEL
from pleura.infer.passes import infer
from pleura.lab.metrics import overlap
from pleura.lab.sides import BoolArray, add_to_nearer_side, crossing_pieces, sides_look_swapped
from pleura.postprocess import CleanOptions
from pleura.preprocess import Prepared, prepare
from pleura.resample import one_blas_thread
from pleura.restore import restore_probabilities
from pleura.segmenter import Segmenter
from pleura.volume import Volume

_LEAST_AGREEMENT = 0.90  # Dice of the model's lungs and the labels'; below, it sees something else
_LUNG = 128  # of 255


@dataclass(frozen=True, eq=False)
class DrawnSides:
    """Sides that a model drew, or why it may not.

    Args:
        right, left: booleans (z, y, x) that share out the lungs; None when it may not.
        agreement: Dice of the model's lungs and the labelled ones.
        why_not: half a sentence; "" when it may.
    """

    right: BoolArray | None
    left: BoolArray | None
    agreement: float
    why_not: str = ""


class SidesByModel:
    """A model loaded once, which says for many scans what is right and what left.

    Args:
        model: a bundled name or a model folder.

    Raises:
        ModelError: unknown or damaged.
        UsageError: the model knows no sides.
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, threads: int = 0) -> None:
        self._segmenter = Segmenter(model, threads=threads)
        self.spec = self._segmenter.folder.spec
        if "right" not in self.spec.channels:
            raise UsageError(
                f"The model '{self.spec.name}' knows no sides, so it can't tell them; name another."
            )

    def draw(self, lungs: BoolArray, volume: Volume) -> DrawnSides:
        """Share out lungs (z, y, x booleans on the volume's grid) between the sides.

        The model isn't believed where it doesn't see the labelled lungs, or puts the right lung
        to the left of the left one.
        """
        right_map, left_map = self._probabilities(volume)
        seen = right_map.astype(np.uint16) + left_map >= _LUNG
        agreement = overlap(seen, lungs).dice
        if agreement < _LEAST_AGREEMENT:
            return DrawnSides(None, None, agreement, "the model sees other lungs")
        right, left, crossing = crossing_pieces(lungs, volume)
        right |= crossing & seen & (right_map > left_map)
        left |= crossing & seen & (right_map <= left_map)
        add_to_nearer_side(crossing & ~seen, right, left, volume.geometry)
        if sides_look_swapped(right, left, volume.geometry):
            return DrawnSides(None, None, agreement, "the model's sides come out swapped")
        return DrawnSides(right, left, agreement)

    def _probabilities(self, volume: Volume) -> tuple[np.ndarray, np.ndarray]:
        """Of the right and the left lung, 0 to 255, on the volume's grid."""
        prepared: Prepared = prepare(volume, self.spec.preprocessing)
        kept = [self.spec.channels.index(side) for side in ("right", "left")]
        one_channel = CleanOptions(channels=("lungs",))
        with one_blas_thread():
            found, _ = infer(prepared, self._segmenter.engine, kept, everywhere=True)
            right, left = (
                restore_probabilities(volume, prepared, found[side : side + 1], one_channel).array
                for side in (0, 1)
            )
        return right, left
