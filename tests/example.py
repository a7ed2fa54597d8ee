"""The real CT of `examples/`, with its reference in pleura's numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel
import numpy as np

from pleura.lab.corrupt import Scene
from pleura.labels import PLEURA_LABELS
from pleura.read import read
from pleura.volume import Geometry, LabelArray, Mask, Volume

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FIRST_LUNG = 16  # slice of the reference; below lies the belly


@cache
def example() -> tuple[Volume, LabelArray]:
    """Scan (133 slices of 2.5 mm, canonical) and labels (z, y, x): 1 right, 2 left, 3 airways."""
    scan = read(EXAMPLES / "chest.nii.gz")
    reference = read_labels(EXAMPLES / "chest_reference.nii.gz")
    assert np.allclose(scan.geometry.direction_lps, np.eye(3))
    volume = Volume(scan.array, scan.geometry)  # without the reader's own findings
    return volume, np.array([0, 0, 0, 2, 1, 3], dtype=np.uint8)[reference]


def read_labels(path: Path) -> LabelArray:
    """The numbers of a label map whose voxels lie as the scan's (z, y, x)."""
    return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0).astype(np.uint8)


def lungs(labels: LabelArray) -> LabelArray:
    """Without airways."""
    return np.where(labels == 3, 0, labels).astype(np.uint8)


def example_scene(seed: int = 0) -> Scene:
    """The example for `lab.corrupt`."""
    volume, labels = example()
    spacing = volume.geometry.spacing_zyx_mm
    return Scene(lungs(labels), volume.array, spacing, np.random.default_rng(seed))


def mask_on(volume: Volume, labels: LabelArray) -> Mask:
    """Labels without airways on a volume's grid."""
    return Mask(np.ascontiguousarray(labels, dtype=np.uint8), volume.geometry, PLEURA_LABELS)


def part_of(volume: Volume, first: int, last: int) -> Volume:
    """Slices `first` to `last - 1` of a canonical scan."""
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 2] * first
    hu = volume.array[first:last]
    return Volume(hu, Geometry(hu.shape, affine))


def turned(
    volume: Volume, labels: LabelArray, axes: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[Volume, LabelArray]:
    """The same patient stored in another axis order, header and all."""
    along = [axis for axis, flip in enumerate(flips) if flip]
    hu, moved = (
        np.ascontiguousarray(np.flip(array.transpose(axes), along))
        for array in (volume.array, labels)
    )
    return Volume(hu, volume.geometry.transposed(axes, flips)), moved
