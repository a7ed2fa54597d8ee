"""Training batches from a store: `draw(step)`; `whole_scan.py` has what validation sees.

A training batch depends on (seed, step) alone, so a resumed run sees what an unbroken one sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.body import Box
from pleura.errors import UsageError
from pleura.findings import count_of
from pleura.lab.augment import (
    AugmentOptions,
    Batch,
    affine_matrices,
    augment_intensity,
    displacement,
    swap_sides,
    turned,
)
from pleura.lab.disease import DiseaseOptions, Donor, Field, diseased_slice, lesions_of
from pleura.lab.store import Scan, Store
from pleura.lab.whole_scan import grid_of, known_channels
from pleura.model_spec import Preprocessing
from pleura.preprocess import normalise
from pleura.volume import AIR_HU

_SUPERSAMPLE = 2  # sample twice as finely and average, so that training sees area averages too


@dataclass(frozen=True)
class SamplingOptions:
    """What a batch is made of.

    Args:
        batch_size: slices a step.
        canvas: (h, w) of training slices, multiples of 32 from 64 on. With augmentation the longer
            is `Preprocessing.long_side`, so that pixels have the size that inference gives them;
            without, no slice may be larger.
        weights: share of each source; sources left out are not used. None or empty: by slices.
        empty_share: share of slices without lung wanted among those of a volume; -1 takes them
            as they come.
    """

    batch_size: int = 14
    canvas: tuple[int, int] = (224, 256)
    weights: Mapping[str, float] | None = None
    empty_share: float = 0.15


class DrawingConfig(Protocol):
    """The part of a `TrainConfig` that batches depend on."""

    @property
    def sampling(self) -> SamplingOptions: ...
    @property
    def augment(self) -> AugmentOptions: ...
    @property
    def preprocessing(self) -> Preprocessing: ...
    @property
    def disease(self) -> DiseaseOptions: ...
    @property
    def seed(self) -> int: ...


class TrainingSlices:
    """Draws training batches, augmented unless that is switched off, from some scans of a store.

    Args:
        store, scans: where the slices are, and those of them that train.
        config: what to draw and how to change it.
        in_order: each slice once an epoch, shuffled anew, whatever weights and shares say; else
            slices are drawn with replacement by their weights.

    Raises:
        UsageError: a source in the weights that the store lacks, no scans, or slices that the
            store doesn't hold as the config wants them, or fewer of them in order than a batch.
    """

    def __init__(
        self, store: Store, scans: Sequence[Scan], config: DrawingConfig, in_order: bool = False
    ) -> None:
        self.store, self.sampling, self.augment = store, config.sampling, config.augment
        self.preprocessing, self.seed = config.preprocessing, config.seed
        self.disease = config.disease
        self.in_order, sampling = in_order, config.sampling
        sources = {scan.source for scan in store.scans}
        for name in sampling.weights or {}:
            if name not in sources:
                raise UsageError(
                    f"{store.path} has no source '{name}' that sampling.weights names; "
                    f"it has {', '.join(sorted(sources))}."
                )
        self.scans = [scan for scan in scans if self._wanted(scan)]
        if not self.scans:
            raise UsageError(f"{store.path} has no training scan of the wanted sources.")
        for scan in self.scans:
            self._check(scan)
        self._slices = [(scan, z) for scan in self.scans for z in range(scan.shape[0])]
        if in_order and sampling.batch_size > len(self._slices):
            raise UsageError(
                f"{store.path} has {count_of(len(self._slices), 'training slice')}, fewer than "
                f"sampling.batch_size ({sampling.batch_size}); make that smaller."
            )
        # It takes a look at all targets, which slices in order don't need.
        self._probability = None if in_order else self._probabilities()
        # A look at all images, too.
        self._donors = self._lesions() if self.disease.share * self.disease.donors > 0 else []

    @property
    def steps_per_pass(self) -> int:
        """Batches that show each slice once; the last may be smaller."""
        return -(-len(self._slices) // self.sampling.batch_size)

    def _lesions(self) -> list[Donor]:
        """Dense lesions of the scans that train, whose texture painted ones take."""
        found: list[Donor] = []
        for scan in self.scans:
            for z in range(scan.shape[0]):
                found += lesions_of(*self._slice(scan, z)[:2], scan.spacing_mm)
        return found

    def _slice(self, scan: Scan, z: int) -> tuple[Field, Field, Field]:
        """HU (1, h, w), occupancy of both lungs (1, h, w) and targets (c, h, w), 0 to 1."""
        targets = self.store.targets(scan, z, z + 1)[0].astype(np.float32) / 255
        lungs = targets[:2].sum(axis=0, keepdims=True).clip(max=1)
        return self.store.images(scan, z, z + 1).astype(np.float32), lungs, targets

    def _drawn(self, scan: Scan, z: int, rng: np.random.Generator) -> tuple[Field, Field]:
        """HU (1, h, w) and targets (c, h, w) of a slice, some of them with painted disease."""
        hu, lungs, targets = self._slice(scan, z)
        if self.disease.share <= 0:
            return hu, targets
        hu, still_lung = diseased_slice(hu, lungs, scan.spacing_mm, self.disease, self._donors, rng)
        targets[:2] *= still_lung
        return hu, targets

    def _wanted(self, scan: Scan) -> bool:
        return not self.sampling.weights or self.sampling.weights.get(scan.source, 0) > 0

    def _check(self, scan: Scan) -> None:
        """Raise UsageError when the store or the canvas lacks a part of the scan's slices."""
        scan.box(self.preprocessing.crop)
        kept, wanted = self.store.long_sides.get(scan.source), self.preprocessing.long_side
        # A slice as large as the store allows was made coarser; a smaller one is as fine as it was.
        if kept is not None and kept < wanted and max(scan.shape[1:]) >= kept:
            raise UsageError(
                f"{self.store.path} keeps {kept} pixels along the longer side of '{scan.name}', "
                f"fewer than preprocessing.long_side ({wanted}); make that smaller or run "
                "`pleura prepare` again with a larger --long-side."
            )
        if self.augment.enabled:  # then the canvas shows the box, however large
            return
        shape, canvas = grid_of(scan, self.preprocessing).shape, self.sampling.canvas
        if shape[0] > canvas[0] or shape[1] > canvas[1]:
            raise UsageError(
                f"The slices of '{scan.name}' take {shape[0]} x {shape[1]} pixels on the network's "
                f"grid, more than sampling.canvas has ({canvas[0]} x {canvas[1]}); make it larger."
            )

    def _probabilities(self) -> npt.NDArray[np.float64]:
        """Of each slice: source, then scan, then slice."""
        weights: list[npt.NDArray[np.float64]] = []
        for scan in self.scans:
            filled = self.store.targets(scan)[:, :2].any(axis=(1, 2, 3))
            weight = np.ones(scan.shape[0])
            share = self.sampling.empty_share
            if share >= 0 and filled.any() and not filled.all():
                weight = np.where(filled, (1 - share) / filled.sum(), share / (~filled).sum())
            weight = weight / weight.sum()
            if not self.sampling.weights:
                weight = weight * scan.shape[0]
            else:
                scans = sum(other.source == scan.source for other in self.scans)
                weight = weight * self.sampling.weights[scan.source] / scans
            weights.append(weight)
        probability = np.concatenate(weights)
        probability /= probability.sum()
        return probability

    def draw(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Network input (n, 1, h, w), targets (n, c, h, w), known (n, c) of one step."""
        rng = np.random.default_rng((self.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        chosen = self._in_order(step) if self.in_order else self._by_weight(rng)
        known = torch.stack([known_channels(self._slices[index][0]) for index in chosen])
        if not self.augment.enabled:
            pairs = [self._plain(self._slices[index]) for index in chosen]
            images, targets = (torch.stack(part) for part in zip(*pairs, strict=True))
            return images, targets, known
        matrices = affine_matrices(self.augment, len(chosen), generator)
        mirrored = (matrices[:, 0, 0] < 0) & known[:, 0]
        grids = self._grids(chosen, matrices, generator)
        items = [
            self._sampled(self._slices[index], grid, rng)
            for index, grid in zip(chosen, grids, strict=True)
        ]
        stacked = torch.stack(items)
        targets = swap_sides(stacked[:, 1:], mirrored)
        batch = augment_intensity(
            Batch(stacked[:, :1] + AIR_HU, targets, known), self.augment, generator
        )
        return scaled(batch.images, self.preprocessing), batch.targets, batch.known

    def _by_weight(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        size = self.sampling.batch_size
        return rng.choice(len(self._slices), size, p=self._probability)

    def _in_order(self, step: int) -> npt.NDArray[np.int64]:
        """This step's part of its pass over all slices, each pass shuffled anew."""
        number, place = divmod(step, self.steps_per_pass)
        order = np.random.default_rng((self.seed, number, 1)).permutation(len(self._slices))
        start = place * self.sampling.batch_size
        return order[start : start + self.sampling.batch_size]

    def _plain(self, item: tuple[Scan, int]) -> tuple[Tensor, Tensor]:
        """Input (1, h, w) and targets (c, h, w) as inference sees them, centred on the canvas."""
        scan, z = item
        grid = grid_of(scan, self.preprocessing)
        image = normalise(grid, self.store.images(scan, z, z + 1), self.preprocessing)
        targets = grid.forward(self.store.targets(scan, z, z + 1)[0]) / np.float32(255)
        low = self.preprocessing.window_hu[0]
        air = float(self.preprocessing.scaled(np.float32(max(low, AIR_HU))))
        canvas = self.sampling.canvas
        return centred(torch.from_numpy(image), canvas, air), centred(
            torch.from_numpy(targets), canvas, 0.0
        )

    def _grids(
        self, chosen: npt.NDArray[np.int64], matrices: Tensor, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """(h, w, 2) positions for grid_sample of each item, twice as fine as the canvas."""
        options, (h, w) = self.augment, self.sampling.canvas
        size = h * _SUPERSAMPLE, w * _SUPERSAMPLE
        moved = None
        if options.elastic > 0:
            moved = displacement(options, len(chosen), size, generator)
        if options.decubitus + options.prone > 0:
            matrices = turned(matrices, options, generator)
        for number, index in enumerate(chosen):
            scan, _ = self._slices[index]
            box = scan.box(self.preprocessing.crop)
            displaced = None if moved is None else moved[number]
            yield _sampling_grid(box, scan.shape[1:], matrices[number], size, displaced)

    def _sampled(self, item: tuple[Scan, int], grid: Tensor, rng: np.random.Generator) -> Tensor:
        """(1 + c, h, w) on the canvas: HU above air, then occupancies; outside is 0."""
        hu, targets = self._drawn(*item, rng)
        source = torch.from_numpy(np.concatenate([hu - AIR_HU, targets]))[None]
        fine = F.grid_sample(source, grid[None], mode="bilinear", align_corners=False)
        return F.avg_pool2d(fine, _SUPERSAMPLE)[0]


def _sampling_grid(
    box: Box, shape: tuple[int, int], matrix: Tensor, size: tuple[int, int], moved: Tensor | None
) -> Tensor:
    """(h, w, 2) positions for grid_sample: the canvas shows the box, changed by `matrix`.

    `moved` (h, w, 2), in half canvas widths, is added to where each pixel looks.
    """
    h, w = size
    # Store pixels per half canvas width, such that the box just fits into the canvas.
    half = max((box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2 * w / h)
    centre = torch.tensor([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    extent = torch.tensor([shape[1], shape[0]])
    xs = (torch.arange(w) + 0.5) / (w / 2) - 1
    ys = ((torch.arange(h) + 0.5) / (h / 2) - 1) * (h / w)
    # What is the same along a row or a column is computed once: the whole grid is large.
    to_source = matrix * (half * 2 / extent)[:, None]
    down = ys[:, None] * to_source[:, 1] + to_source[:, 2] + centre * 2 / extent - 1
    grid = xs[:, None] * to_source[:, 0] + down[:, None]
    return grid if moved is None else grid + moved * (half * 2 / extent)


def centred(planes: Tensor, canvas: tuple[int, int], filling: float) -> Tensor:
    """(c, h, w) in the middle of a canvas that is as large or larger, the rest is `filling`."""
    c, h, w = planes.shape
    out = torch.full((c, *canvas), filling)
    top, left = (canvas[0] - h) // 2, (canvas[1] - w) // 2
    out[:, top : top + h, left : left + w] = planes
    return out


def scaled(images: Tensor, rules: Preprocessing) -> Tensor:
    """HU tensors to the network's input, as `preprocess.normalise` does for arrays."""
    return rules.scaled(images.clamp(*rules.window_hu))
