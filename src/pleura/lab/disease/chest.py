"""A chest that disease is painted into: its HU, lungs and directions. Arrays are (z, y, x)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import edt
import numpy as np
from scipy import ndimage

from pleura.lab.disease.fields import Field, Region, blurred, smooth_noise, unit_ramp
from pleura.lab.disease.texture import Donor, Tissue, carried

_EDGE_MM = 2.5  # how far the pleura's partial volumes reach
_SMALLEST_LUNG = 150  # voxels


@dataclass(eq=False)
class Chest:
    """HU and lungs that diseases change in turn.

    Args:
        hu: (z, y, x) float32.
        lungs: occupancy of both lungs, 0 to 1.
        spacing_mm: (z, y, x).
        rng: where every choice comes from.
        donors: lesions of training scans.
        donor_share: how often a dense lesion takes a donor's texture.
    """

    hu: Field
    lungs: Field
    spacing_mm: Sequence[float]
    rng: np.random.Generator
    donors: Sequence[Donor] = ()
    donor_share: float = 0.0
    tissue: Tissue = field(init=False)
    still_lung: Field = field(init=False)
    _texture: Field | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Look at the soft tissue before anything is painted."""
        self.hu = self.hu.astype(np.float32, copy=True)
        self.tissue = Tissue.of(self.hu, self.lungs, self.spacing_mm)
        self.still_lung = np.ones(self.hu.shape, np.float32)

    def each_lung(self) -> list[Region]:
        """Lungs, or lungs that touch, as regions of their own; slivers are left out."""
        inside = self.lungs * self.still_lung >= 0.5
        labels, _ = ndimage.label(inside)
        sizes = np.bincount(labels.ravel())
        kept = [n for n in range(1, len(sizes)) if sizes[n] >= _SMALLEST_LUNG]
        return [labels == n for n in sorted(kept, key=lambda n: -sizes[n])[:2]]

    def some_lungs(self) -> list[Region]:
        """One of the lungs, or both in three of ten cases."""
        lungs = self.each_lung()
        if len(lungs) < 2 or self.rng.random() < 0.3:
            return lungs
        return [lungs[int(self.rng.integers(2))]]

    def noise(self, grain_mm: float) -> Field:
        return smooth_noise(self.hu.shape, self.spacing_mm, grain_mm, self.rng)

    def downwards(self, lung: Region) -> Field:
        """0 at the lung's highest place to 1 at its lowest: mostly the back, tilted a little."""
        turned = self.rng.normal(0, 0.25) + self.rng.choice(
            (0, np.pi, np.pi / 2), p=(0.9, 0.06, 0.04)
        )
        z, y, x = (
            np.arange(n, dtype=np.float32) * s
            for n, s in zip(self.hu.shape, self.spacing_mm, strict=True)
        )
        basal = float(self.rng.uniform(0, 0.5)) if self.hu.shape[0] > 1 else 0.0
        plane = np.cos(turned) * y[None, :, None] + np.sin(turned) * x[None, None, :]
        return unit_ramp((plane - basal * z[:, None, None]).astype(np.float32), lung)

    def depth_mm(self, lung: Region) -> Field:
        """Distance from the pleura, in mm, in plane; 0 outside of the lung."""
        out = np.zeros(self.hu.shape, np.float32)
        for z in np.flatnonzero(lung.any(axis=(1, 2))):
            # Without anything but lung in a slice its frame is the pleura, else all is infinite.
            full = bool(lung[z].all())
            out[z] = edt.edt(lung[z], anisotropy=tuple(self.spacing_mm[1:]), black_border=full)
        return out

    def midwards(self, lung: Region) -> Field:
        """0 at the ribs to 1 at the lung's side that is nearest to the other one.

        A lung that is alone in its slice has the 1 in its middle.
        """
        every = np.flatnonzero((self.lungs >= 0.5).any(axis=(0, 1)))
        middle = (every[0] + every[-1]) / 2
        x = np.abs(np.arange(self.hu.shape[2], dtype=np.float32) - middle)
        return 1 - unit_ramp(np.broadcast_to(x, self.hu.shape).astype(np.float32), lung)

    def lobe(self, lung: Region) -> Region:
        """A part of the lung behind or in front of a random oblique plane, as fissures cut it."""
        if self.rng.random() < 0.5:
            return lung
        tilt = self.noise(150.0) * 0.08
        cut = self.downwards(lung) + tilt
        at = self.rng.uniform(0.25, 0.7)
        return lung & ((cut > at) if self.rng.random() < 0.7 else (cut < at))

    def texture(self) -> Field:
        """The fine structure of the scan's own soft tissue, HU about 0, moved at random."""
        if self._texture is None:
            self._texture = self.tissue.texture(self.rng)
        shifts = tuple(int(self.rng.integers(n)) for n in self.hu.shape)
        return np.roll(self._texture, shifts, (0, 1, 2))

    def dense_texture(self) -> Field:
        """HU against the muscle's median, of a donor's lesion or of soft tissue."""
        if len(self.donors) > 0 and self.rng.random() < self.donor_share:
            donor = self.donors[int(self.rng.integers(len(self.donors)))]
            return carried(donor.hu, donor.inside, self.hu.shape, self.rng)
        return self.texture()

    def fill(self, cover: Field, hu: Field, lung: Region) -> None:
        """Move HU towards `hu` by `cover` (0 to 1), in the lung and over its pleural edge.

        Partial volumes at the pleura would stay as a dark line that gives the lesion away.
        """
        voxels = max(1, round(_EDGE_MM / self.spacing_mm[1]))
        grown = ndimage.binary_dilation(lung, np.ones((1, 3, 3), bool), iterations=voxels)
        edge = grown & ~lung
        place = cover * grown
        denser = hu > self.hu
        # Over the edge only what is too dark, or bright for air: wall and heart stay as they are.
        dark = np.median(hu[lung]) > -500 if lung.any() else True
        place[edge & (~denser if dark else denser)] = 0
        self.hu += place * (hu - self.hu)

    def take_away(self, region: Region) -> None:
        """What is no lung any more: fluid or air round it.

        Partial volumes between it and the wall go with it, else a thin line of lung would stay.
        """
        rim = ndimage.binary_dilation(region, np.ones((1, 3, 3), bool)) & (self.lungs < 0.5)
        self.still_lung[region | rim] = 0

    def soft(self, region: Field, sigma_mm: float) -> Field:
        return blurred(region, sigma_mm, self.spacing_mm)
