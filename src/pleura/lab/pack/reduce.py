"""What a packed store gives up of a scan, and how much noise the scan has to hide it in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pleura.body import Box
from pleura.lab.pack.codec import Levels, hu_of, levels_of, occupancy_levels
from pleura.lab.store import Scan, Store
from pleura.lab.store_writer import box_on_grid
from pleura.preprocess import NetworkGrid
from pleura.resample import FloatArray
from pleura.volume import AIR_HU

STEPS_HU = (16, 24, 32)
_SOFT_TISSUE_HU = (-200, 200)
_NOISE_SLICES = 9
_BATCH = 16
_MAD_TO_SD = 1.4826  # of a normal distribution
_FEWEST_PIXELS = 100  # of soft tissue; fewer say nothing about noise


@dataclass(frozen=True)
class Reduction:
    """How coarse a packed store may be.

    Args:
        long_side: pixels of a slice along its longer side, at most.
        largest_step_hu: HU are rounded to steps of `STEPS_HU` up to this one; more than the first
            only where the rounding's rms error, step / sqrt(12), stays below the scan's noise.
        slice_mm: of a scan every n-th slice is kept, with n as large as keeps them at most so far
            apart; 0 keeps all.
    """

    long_side: int
    largest_step_hu: int = STEPS_HU[0]
    slice_mm: float = 0.0

    def step_hu(self, noise_hu: float) -> int:
        """The step for a scan with so much noise (standard deviation in HU)."""
        allowed = [s for s in STEPS_HU if s <= self.largest_step_hu and s / 12**0.5 <= noise_hu]
        return max(allowed, default=STEPS_HU[0])

    def every(self, scan: Scan) -> int:
        """Of how many slices one is kept."""
        if scan.shape[0] == 1:  # its spacing is only the slice's thickness
            return 1
        return max(1, int(self.slice_mm / scan.spacing_mm[0] + 1e-6))


@dataclass(frozen=True, eq=False)
class Reduced:
    """A scan as it goes into the packed store.

    Args:
        scan: on its new grid; its offset is the old store's.
        step_hu, images, targets: HU levels (n, h, w), occupancy levels (n, channels, h, w).
        squared_hu: squared rounding errors of HU, summed; what a coarser grid loses isn't in it.
    """

    scan: Scan
    step_hu: int
    images: Levels
    targets: Levels
    squared_hu: float


def reduced(store: Store, scan: Scan, long_side: int, step_hu: int, every: int) -> Reduced:
    """Every n-th slice of a scan, area-averaged and rounded."""
    grid = _grid(scan, long_side)
    images, targets, squared = [], [], 0.0
    kept = range(0, scan.shape[0], every)
    for start in range(0, len(kept), _BATCH):
        part = kept[start : start + _BATCH]
        hu = np.concatenate([store.images(scan, z, z + 1) for z in part]).astype(np.float32)
        occupancy = np.concatenate([store.targets(scan, z, z + 1) for z in part])
        if grid is not None:
            hu = grid.forward(hu, padding=AIR_HU).round()
            occupancy = grid.forward(occupancy).round().astype(np.uint8)
        images.append(levels_of(hu, step_hu))
        targets.append(occupancy_levels(occupancy))
        squared += float(np.square(hu - hu_of(images[-1], step_hu)).sum(dtype=np.float64))
    return Reduced(
        _on_grid(scan, grid, len(kept), every),
        step_hu, np.concatenate(images), np.concatenate(targets), squared,
    )  # fmt: skip


def noise_hu(store: Store, scan: Scan, long_side: int) -> float:
    """Standard deviation of the noise in soft tissue, on the packed grid; 0 where none is seen.

    Immerkaer 1996 (Fast noise variance estimation): a difference of two Laplacians is blind to
    slopes; here the median of its size in place of the mean, so that edges don't count as noise.
    """
    grid = _grid(scan, long_side)
    found = []
    for z in np.unique(np.linspace(0, scan.shape[0] - 1, _NOISE_SLICES).round().astype(int)):
        hu = store.images(scan, int(z), int(z) + 1).astype(np.float32)
        hu = hu if grid is None else grid.forward(hu, padding=AIR_HU)
        rows = hu[:, :-2] - 2 * hu[:, 1:-1] + hu[:, 2:]
        mask = (rows[..., :-2] - 2 * rows[..., 1:-1] + rows[..., 2:]) / 6
        centre = hu[:, 1:-1, 1:-1]
        low, high = _SOFT_TISSUE_HU
        found.append(np.abs(mask[(centre > low) & (centre < high)]))
    sizes: FloatArray = np.concatenate(found)
    return float(np.median(sizes)) * _MAD_TO_SD if sizes.size >= _FEWEST_PIXELS else 0.0


def _grid(scan: Scan, long_side: int) -> NetworkGrid | None:
    """The coarser grid; None where the scan isn't finer than wanted."""
    h, w = scan.shape[1:]
    if max(h, w) <= long_side:
        return None
    _, y, x = scan.spacing_mm
    return NetworkGrid.fit(Box(0, h, 0, w), (h, w), (y, x), long_side, multiple=1)


def _on_grid(scan: Scan, grid: NetworkGrid | None, slices: int, every: int) -> Scan:
    z, y, x = scan.spacing_mm
    if grid is None:
        shape = (slices, *scan.shape[1:])
        return replace(scan, shape=shape, spacing_mm=(z * every, y, x))
    frame = Box(0, scan.shape[1], 0, scan.shape[2])
    body = box_on_grid(Box(*scan.body), frame, grid.shape, grid.pixel_mm, [y, x])
    return replace(
        scan, shape=(slices, *grid.shape), spacing_mm=(z * every, grid.pixel_mm, grid.pixel_mm),
        body=body,
    )  # fmt: skip
