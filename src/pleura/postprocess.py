"""Probabilities -> labels. Pure functions on canonical arrays.

On the network's grid: keep what is lung, give every piece one side, fill holes (`clean`). Then the
cleaned probabilities, not labels, are brought to the scan's grid and compared with the threshold
(`to_labels`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import fill_voids
import numpy as np
import numpy.typing as npt

from pleura.labels import AIRWAYS, CHANNELS, LEFT, RIGHT
from pleura.volume import LabelArray

# Probabilities are stored as 0 to 255.
Probabilities = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CleanOptions:
    """Limits of the clean-up, chosen on validation data.

    Args:
        threshold: probability from which a voxel is lung.
        least_share: a piece smaller than this share of its side's largest piece is dropped.
        least_pixels: so is one smaller than this in network pixels, all slices together.
        channels: what the probabilities' channels are, one of `labels.CHANNEL_SETS`.
    """

    threshold: float = 0.5
    least_share: float = 0.02
    least_pixels: int = 12
    channels: tuple[str, ...] = CHANNELS

    @property
    def level(self) -> int:
        """The threshold on the scale of 0 to 255."""
        return int(np.ceil(self.threshold * 255))

    @property
    def has_sides(self) -> bool:
        """Channels 0 and 1 are the right and the left lung; else channel 0 is both."""
        return "right" in self.channels

    @property
    def airways(self) -> int | None:
        """The airways' channel."""
        return self.channels.index("airways") if "airways" in self.channels else None


def lungs_level(probabilities: Probabilities, options: CleanOptions) -> npt.NDArray[np.uint16]:
    """Probability of either lung, 0 to 255: the sides exclude each other, so they add up."""
    total: npt.NDArray[np.uint16] = probabilities[0].astype(np.uint16)
    if options.has_sides:
        total += probabilities[1]
    np.minimum(total, 255, out=total)
    return total


def clean(probabilities: Probabilities, options: CleanOptions) -> Probabilities:
    """Drop what is no lung, repair sides, fill holes.

    Args:
        probabilities: (channels, z, h, w), 0 to 255, channels as the options say.
        options: limits.

    Returns:
        Same shape: soft edges are kept, dropped pieces are 0, holes are 255, a piece on the
        wrong side has its two side channels exchanged.
    """
    out = probabilities.copy()
    if options.has_sides:
        _clean_sides(out, options)
    else:
        lungs = out[0] >= options.level
        keep = _large_pieces(lungs, options)
        _erase(out[:1], lungs & ~keep)
        out[0][_holes(keep)] = 255
    if options.airways is not None:
        airways = out[options.airways]
        trachea = airways >= options.level
        _erase(airways[np.newaxis], trachea & ~_largest(trachea))
    return out


def _clean_sides(out: Probabilities, options: CleanOptions) -> None:
    """`clean` for the channels right and left, in place."""
    lungs = lungs_level(out, options) >= options.level
    right = lungs & (out[0] >= out[1])
    left = lungs & ~right
    right, left = settle_sides(right, left)
    keep_right, keep_left = _large_pieces(right, options), _large_pieces(left, options)
    wrong = (right & (out[1] > out[0])) | (left & (out[0] > out[1]))
    out[0][wrong], out[1][wrong] = out[1][wrong], out[0][wrong]
    _erase(out[:2], (right & ~keep_right) | (left & ~keep_left))
    for channel, keep in ((0, keep_right), (1, keep_left)):
        holes = _holes(keep)
        out[:2, holes] = 0
        out[channel][holes] = 255


def settle_sides(right: BoolArray, left: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Pieces that touch the other lung's main piece, but not their own, change sides.

    Returns new (right, left); their union is unchanged.
    """
    main_right, main_left = _largest(right), _largest(left)
    if not main_right.any() or not main_left.any():
        return right, left
    to_left = _pieces_touching(right & ~main_right, main_left)
    to_right = _pieces_touching(left & ~main_left, main_right)
    return (right & ~to_left) | to_right, (left & ~to_right) | to_left


def _pieces_touching(candidates: BoolArray, main: BoolArray) -> BoolArray:
    """The components of `candidates` that share a face with `main`."""
    pieces = cc3d.connected_components(candidates.astype(np.uint8), connectivity=6)
    touched: set[int] = set()
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(low), tuple(high)
        touched.update(np.unique(pieces[a][main[b]]).tolist())
        touched.update(np.unique(pieces[b][main[a]]).tolist())
    touched.discard(0)
    return np.isin(pieces, sorted(touched))


def _largest(mask: BoolArray) -> BoolArray:
    if not mask.any():
        return mask
    return np.asarray(cc3d.largest_k(mask.astype(np.uint8), k=1, connectivity=6) > 0)


def _large_pieces(mask: BoolArray, options: CleanOptions) -> BoolArray:
    """Components of at least `least_share` of the largest and `least_pixels`."""
    if not mask.any():
        return mask
    pieces = cc3d.connected_components(mask.astype(np.uint8), connectivity=26)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    keep = sizes >= max(options.least_pixels, options.least_share * sizes.max())
    return np.asarray(keep[pieces])


def _holes(mask: BoolArray) -> BoolArray:
    """Voids that `mask` encloses in 3-D (vessels, nodules)."""
    if not mask.any():
        return mask
    return np.asarray(fill_voids.fill(mask), dtype=bool) & ~mask


def _erase(channels: Probabilities, dropped: BoolArray) -> None:
    """Set dropped pieces to 0 with the soft rim that belongs to them, in place."""
    if not dropped.any():
        return
    rim = dropped.copy()
    for axis in (1, 2):  # the rim lies in plane: neighbouring slices have rims of their own
        rim[_shift(axis, 1)] |= dropped[_shift(axis, -1)]
        rim[_shift(axis, -1)] |= dropped[_shift(axis, 1)]
    channels[:, rim & (channels.max(axis=0) < 128)] = 0
    channels[:, dropped] = 0


def _shift(axis: int, by: int) -> tuple[slice, ...]:
    window = [slice(None)] * 3
    window[axis] = slice(by, None) if by > 0 else slice(None, by)
    return tuple(window)


def to_labels(
    probabilities: npt.NDArray[np.float32], options: CleanOptions, airways: bool
) -> LabelArray:
    """Probabilities on the scan's grid -> labels.

    Args:
        probabilities: (channels, n, y, x), 0 to 255.
        options: the threshold and the channels.
        airways: also label the airways, where a lung isn't more likely.

    Returns:
        (n, y, x) uint8; lungs without sides get 1.
    """
    lungs = probabilities[0] + probabilities[1] if options.has_sides else probabilities[0]
    level = np.float32(options.threshold * 255)
    labels = np.zeros(lungs.shape, dtype=np.uint8)
    is_lung = lungs >= level
    labels[is_lung] = RIGHT
    if options.has_sides:
        labels[is_lung & (probabilities[1] > probabilities[0])] = LEFT
    if airways and options.airways is not None:
        likely = probabilities[options.airways]
        labels[(likely >= level) & (likely > lungs)] = AIRWAYS
    return labels
