"""Training stores of synthetic chests, small enough for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pleura.lab.store import Scan, Store, StoreGrid
from pleura.lab.store_writer import StoreWriter
from pleura.labels import CHANNELS
from pleura.volume import Geometry, Volume
from tests.phantom import Phantom, chest

SHAPE, SPACING = (6, 64, 64), (45.0, 6.0, 6.0)


def small_chest(seed: int = 0) -> Phantom:
    return chest(SHAPE, SPACING, seed=seed)


def turned(array: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, Geometry]:
    """The same in space, with other axes."""
    axes, flips = (1, 2, 0), (True, False, True)
    flipped = tuple(axis for axis, flip in enumerate(flips) if flip)
    return np.flip(array.transpose(axes), flipped), geometry.transposed(axes, flips)


def occupancy_of(phantom: Phantom) -> np.ndarray:
    """(channels, z, y, x) booleans: right, left, airways."""
    return np.stack([phantom.labels == number for number in (1, 2, 3)])


def merged_occupancy_of(phantom: Phantom) -> np.ndarray:
    """Sides unknown: both lungs in the first channel, as `prepare` puts them."""
    occupancy = np.zeros((3, *phantom.labels.shape), dtype=bool)
    occupancy[0] = np.isin(phantom.labels, (1, 2))
    return occupancy


def add(writer: StoreWriter, phantom: Phantom, name: str, role: str, merged: bool = False) -> Scan:
    occupancy = merged_occupancy_of(phantom) if merged else occupancy_of(phantom)
    channels = ("lungs",) if merged else CHANNELS
    volume = Volume(phantom.hu, phantom.geometry)
    return writer.add(volume, occupancy, channels, name, name, role)


def one_scan_store(path: Path, phantom: Phantom, grid: StoreGrid | None = None) -> Store:
    with StoreWriter(path, "volumes", grid) as writer:
        add(writer, phantom, "a", "train")
    return Store(path)


def training_store(path: Path) -> Store:
    """volumes: two for training, one for validation; slices: one for training, without sides."""
    with StoreWriter(path, "volumes") as writer:
        for seed, role in enumerate(("train", "train", "validation")):
            add(writer, small_chest(seed), f"v{seed}", role)
    with StoreWriter(path, "slices") as writer:
        add(writer, small_chest(7), "s0", "train", merged=True)
    return Store(path)
