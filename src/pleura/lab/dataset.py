"""Batches from a store: `draw(step)` for training, `whole_scan` for validation.

A training batch depends on (seed, step) alone, so a resumed run sees what an unbroken one sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.body import Box
from pleura.errors import UsageError
from pleura.lab.augment import AugmentOptions, Batch, affine_matrices, augment_intensity, swap_sides
from pleura.lab.store import Scan, Store
from pleura.labels import CHANNELS
from pleura.model_spec import Preprocessing
from pleura.preprocess import NetworkGrid, normalise
from pleura.volume import AIR_HU

_SUPERSAMPLE = 2  # sample twice as finely and average, so that training sees area averages too


@dataclass(frozen=True)
class SamplingOptions:
    """What a batch is made of.

    Args:
        batch_size: slices a step.
        canvas: (h, w) of training slices, multiples of 32.
        weights: share of each source; sources left out are not used. Empty: by slices.
        empty_share: share of slices without lung wanted among those of a volume.
    """

    batch_size: int = 14
    canvas: tuple[int, int] = (224, 256)
    weights: Mapping[str, float] | None = None
    empty_share: float = 0.15


class TrainingSlices:
    """Draws augmented training batches from the scans of one role."""

    def __init__(
        self, store: Store, role: str, sampling: SamplingOptions, augment: AugmentOptions,
        preprocessing: Preprocessing, seed: int,
    ) -> None:  # fmt: skip
        self.store, self.sampling, self.augment = store, sampling, augment
        self.preprocessing, self.seed = preprocessing, seed
        sources = {scan.source for scan in store.scans}
        for name in sampling.weights or {}:
            if name not in sources:
                raise UsageError(
                    f"{store.path} has no source '{name}' that sampling.weights names; "
                    f"it has {', '.join(sorted(sources))}."
                )
        self.scans = [scan for scan in store.of_role(role) if self._wanted(scan)]
        if not self.scans:
            raise UsageError(f"{store.path} has no scan with role '{role}' of the wanted sources.")
        self._slices, self._probability = self._table()

    def _wanted(self, scan: Scan) -> bool:
        return self.sampling.weights is None or self.sampling.weights.get(scan.source, 0) > 0

    def _table(self) -> tuple[list[tuple[Scan, int]], npt.NDArray[np.float64]]:
        """All slices with the probability of each: source, then scan, then slice."""
        slices: list[tuple[Scan, int]] = []
        weights: list[npt.NDArray[np.float64]] = []
        for scan in self.scans:
            filled = self.store.targets(scan)[:, :2].any(axis=(1, 2, 3))
            weight = np.ones(scan.shape[0])
            if filled.any() and not filled.all():
                share = self.sampling.empty_share
                weight = np.where(filled, (1 - share) / filled.sum(), share / (~filled).sum())
            weight = weight / weight.sum()
            if self.sampling.weights is None:
                weight = weight * scan.shape[0]
            else:
                scans = sum(other.source == scan.source for other in self.scans)
                weight = weight * self.sampling.weights[scan.source] / scans
            slices += [(scan, z) for z in range(scan.shape[0])]
            weights.append(weight)
        probability = np.concatenate(weights)
        return slices, probability / probability.sum()

    def draw(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Network input (n, 1, h, w), targets (n, c, h, w), known (n, c) of one step."""
        rng = np.random.default_rng((self.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        chosen = rng.choice(len(self._slices), self.sampling.batch_size, p=self._probability)
        matrices = affine_matrices(self.augment, len(chosen), generator)
        items = [
            self._warped(self._slices[index], matrix)
            for index, matrix in zip(chosen, matrices, strict=True)
        ]
        known = torch.stack([known_channels(self._slices[index][0]) for index in chosen])
        stacked = torch.stack(items)
        mirrored = (matrices[:, 0, 0] < 0) & known[:, 0]
        targets = swap_sides(stacked[:, 1:], mirrored)
        batch = augment_intensity(
            Batch(stacked[:, :1] + AIR_HU, targets, known), self.augment, generator
        )
        return scaled(batch.images, self.preprocessing), batch.targets, batch.known

    def _warped(self, item: tuple[Scan, int], matrix: Tensor) -> Tensor:
        """(1 + c, h, w) on the canvas: HU above air, then occupancies; outside is 0."""
        scan, z = item
        h, w = self.sampling.canvas
        image = self.store.images(scan, z, z + 1).astype(np.float32) - AIR_HU
        targets = self.store.targets(scan, z, z + 1)[0].astype(np.float32) / 255
        source = torch.from_numpy(np.concatenate([image, targets]))[None]
        grid = _sampling_grid(scan, matrix, (h * _SUPERSAMPLE, w * _SUPERSAMPLE))
        fine = F.grid_sample(source, grid[None], mode="bilinear", align_corners=False)
        return F.avg_pool2d(fine, _SUPERSAMPLE)[0]


def _sampling_grid(scan: Scan, matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w, 2) positions for grid_sample: the canvas shows the body box, changed by `matrix`."""
    h, w = size
    y0, y1, x0, x1 = scan.body
    # Store pixels per half canvas width, such that the body just fits into the canvas.
    half = max((x1 - x0) / 2, (y1 - y0) / 2 * w / h)
    xs = (torch.arange(w) + 0.5) / (w / 2) - 1
    ys = ((torch.arange(h) + 0.5) / (h / 2) - 1) * (h / w)
    points = torch.stack([xs.expand(h, w), ys[:, None].expand(h, w), torch.ones(h, w)], dim=-1)
    moved = points @ matrix.T * half
    centre = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2])
    extent = torch.tensor([scan.shape[2], scan.shape[1]])
    return (moved + centre) * 2 / extent - 1


def known_channels(scan: Scan) -> Tensor:
    """(c,) booleans: which channels the scan's labels name."""
    return torch.tensor([name in scan.channels for name in CHANNELS])


def scaled(images: Tensor, rules: Preprocessing) -> Tensor:
    """HU tensors to the network's input, as `preprocess.normalise` does for arrays."""
    return rules.scaled(images.clamp(*rules.window_hu))


@dataclass(frozen=True, eq=False)
class WholeScan:
    """A scan on the network's grid without augmentation, for validation."""

    scan: Scan
    images: Tensor  # (z, 1, h, w)
    targets: Tensor  # (z, c, h, w)


def whole_scan(store: Store, scan: Scan, rules: Preprocessing) -> WholeScan:
    """The scan as inference would see it: body box, network grid, area averages."""
    y0, y1, x0, x1 = scan.body
    _, h, w = scan.shape
    grid = NetworkGrid.fit(
        Box(y0, y1, x0, x1), (h, w), scan.spacing_mm[1:], rules.long_side, rules.multiple
    )
    images = normalise(grid, store.images(scan), rules)[:, None]
    targets = grid.forward(store.targets(scan)) / np.float32(255)
    return WholeScan(scan, torch.from_numpy(images), torch.from_numpy(targets))
