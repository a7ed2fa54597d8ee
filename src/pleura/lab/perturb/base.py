"""What a perturbation is: a changed scan, and the way that masks of the clean one go along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.preprocess import Orientation
from pleura.volume import AIR_HU, Geometry, HUArray, Volume

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
Carry = Callable[[AnyArray], AnyArray]

MOST_HU = 3071  # of 12 bits, where scanners stop
_ROUNDING = 1e-4
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, eq=False)
class Perturbed:
    """A perturbed scan.

    Args:
        volume: the scan, int16 HU, on its own grid.
        carry: brings a mask of the clean scan, (z, y, x), to that grid, by index or, where
            HU were interpolated or averaged, by majority. Its numbers travel with the anatomy:
            after a left-right flip the right lung is still 1.
    """

    volume: Volume
    carry: Carry


# Works on canonical scans: (z to the head, y to the back, x to the patient's left).
Operation = Callable[[Volume, float, np.random.Generator], Perturbed]


@dataclass(frozen=True)
class Perturbation:
    """One way in which a scan gets worse or different.

    Args:
        name: unique, as in tables and files.
        unit: of the strengths.
        strengths: those of the benchmark, in the order of a plot.
        operation: does it, on a scan in canonical order.
        none: the strength that changes nothing.
        words: what strengths are called, where numbers say nothing.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    operation: Operation
    none: float = 0.0
    words: tuple[str, ...] = ()

    def apply(self, volume: Volume, strength: float, rng: np.random.Generator) -> Perturbed:
        """Perturb a scan; the same generator state gives the same scan.

        Args:
            volume: in any orientation; sides, top and bottom are the patient's by its geometry.
            strength: in `unit`.
            rng: used or not.

        Returns:
            The scan in the orientation it had, without findings, source and header.
        """
        clean = Volume(volume.array, volume.geometry)
        if strength == self.none:
            return Perturbed(clean, _as_it_is)
        orientation = Orientation.of(volume.geometry)
        upright = Volume(
            _hu(orientation.apply(volume.array)), orientation.geometry(volume.geometry)
        )
        done = self.operation(upright, strength, rng)

        def carry(array: AnyArray) -> AnyArray:
            return np.ascontiguousarray(orientation.undo(done.carry(orientation.apply(array))))

        hu = _hu(np.ascontiguousarray(orientation.undo(done.volume.array)))
        return Perturbed(Volume(hu, _turned_back(done.volume.geometry, orientation)), carry)

    def shown(self, strength: float) -> str:
        """The strength as tables write it."""
        if self.words:
            return self.words[self.strengths.index(strength)]
        return f"{strength:g}"


def same_grid(volume: Volume, hu: HUArray) -> Perturbed:
    """Other HU on the scan's own grid, where masks stay as they are."""
    return Perturbed(Volume(hu, volume.geometry), _as_it_is)


def regridded(hu: AnyArray, affine: npt.NDArray[np.float64], carry: Carry) -> Perturbed:
    """HU (z, y, x) on another grid."""
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    return Perturbed(Volume(_hu(hu), Geometry(shape, affine)), carry)


def by_majority(
    mask: AnyArray, averaged: Callable[[AnyArray], FloatArray], nearest: AnyArray
) -> AnyArray:
    """A mask resampled as the HU were: each voxel gets what fills more than half of it.

    Args:
        mask: labels on the clean grid.
        averaged: brings numbers to the new grid, as it brought HU.
        nearest: the mask by nearest neighbour, which decides where nothing does.
    """
    out = nearest.copy()
    filled = np.zeros(out.shape, dtype=np.float32)
    for label in np.unique(mask):
        if label:
            share = averaged(mask == label)
            filled += share
            out[share > 0.5 + _ROUNDING] = label
    out[filled < 0.5 - _ROUNDING] = 0
    return out


def as_scanned(values: npt.NDArray[np.floating[Any]], clean: HUArray) -> HUArray:
    """Rounded to int16 and cut to what 12 bits hold; padding below -1024 in `clean` stays."""
    hu: HUArray = np.clip(np.rint(values), AIR_HU, MOST_HU).astype(np.int16)
    padding = clean < AIR_HU
    if padding.any():
        hu[padding] = clean[padding]
    return hu


def to_int16(values: npt.NDArray[np.floating[Any]]) -> HUArray:
    """Rounded and cut to int16 alone, where a header is wrong and no scanner cuts."""
    return _hu(np.clip(np.rint(values), _INT16.min, _INT16.max))


def _as_it_is(array: AnyArray) -> AnyArray:
    return array


def _hu(array: AnyArray) -> HUArray:
    return np.asarray(array, dtype=np.int16)


def _turned_back(geometry: Geometry, orientation: Orientation) -> Geometry:
    """The grid of `orientation.undo(array)` for a canonical array on `geometry`."""
    inverse = tuple(int(axis) for axis in np.argsort(orientation.axes))
    flips = tuple(orientation.flips[axis] for axis in inverse)
    return geometry.transposed((inverse[0], inverse[1], inverse[2]), (flips[0], flips[1], flips[2]))
