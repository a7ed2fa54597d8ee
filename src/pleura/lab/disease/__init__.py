"""Disease painted into healthy lungs whose mask is known: `with_disease`.

Shapes grow inside the lung by random fields with gravity, depth and lobes as their bias; densities
follow the scan's own muscle; textures are real (`texture.py`). Volumes and single slices alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pleura.lab.disease.chest import Chest
from pleura.lab.disease.cystic import cavity, honeycombing
from pleura.lab.disease.dense import collapse, consolidation, ground_glass, mass
from pleura.lab.disease.fields import Field
from pleura.lab.disease.options import DiseaseOptions
from pleura.lab.disease.pleural import effusion, pneumothorax
from pleura.lab.disease.texture import Donor, lesions_of

__all__ = [
    "DISEASES",
    "Chest",
    "DiseaseOptions",
    "Diseased",
    "Donor",
    "Field",
    "around_lungs",
    "diseased_slice",
    "drawn_diseases",
    "lesions_of",
    "with_disease",
]

DISEASES: Mapping[str, Callable[[Chest], None]] = {
    "consolidation": consolidation,
    "ground_glass": ground_glass,
    "collapse": collapse,
    "mass": mass,
    "cavity": cavity,
    "honeycombing": honeycombing,
    "effusion": effusion,
    "pneumothorax": pneumothorax,
}
_MARGIN_MM = 30.0
_SMALLEST_AREA = 500  # voxels of lung in which disease can be told from a sliver
_COUNTS, _COUNT_ODDS = (1, 2, 3), (0.5, 0.35, 0.15)


@dataclass(frozen=True, eq=False)
class Diseased:
    """What became of a chest.

    Args:
        hu: (z, y, x) float32.
        still_lung: 0 to 1, times the old lung mask gives the new one.
        names: of the diseases, in the order in which they were painted.
    """

    hu: Field
    still_lung: Field
    names: tuple[str, ...]


def with_disease(chest: Chest, names: Sequence[str]) -> Diseased:
    """Paint the named diseases one after the other; the chest is changed.

    Raises:
        KeyError: a name that isn't in DISEASES.
    """
    for name in names:
        DISEASES[name](chest)
    return Diseased(chest.hu, chest.still_lung, tuple(names))


def around_lungs(lungs: Field, spacing_mm: Sequence[float]) -> tuple[slice, slice, slice]:
    """The lungs' box with a margin, where disease and the soft tissue for its texture are."""
    y_mm, x_mm = spacing_mm[1:]
    inside = lungs >= 0.5
    rows, columns = np.flatnonzero(inside.any(axis=(0, 2))), np.flatnonzero(inside.any(axis=(0, 1)))
    if len(rows) == 0:
        return slice(None), slice(0), slice(0)
    down, aside = round(_MARGIN_MM / y_mm), round(_MARGIN_MM / x_mm)
    return (
        slice(None),
        slice(max(0, int(rows[0]) - down), int(rows[-1]) + 1 + down),
        slice(max(0, int(columns[0]) - aside), int(columns[-1]) + 1 + aside),
    )


def drawn_diseases(options: DiseaseOptions, rng: np.random.Generator) -> tuple[str, ...]:
    """One to three names by their odds; none in all but `options.share` of the draws."""
    odds = options.odds()
    total = sum(odds.values())
    if rng.random() >= options.share or total == 0:
        return ()
    wanted = min(int(rng.choice(_COUNTS, p=_COUNT_ODDS)), sum(o > 0 for o in odds.values()))
    chosen = rng.choice(list(odds), wanted, replace=False, p=[o / total for o in odds.values()])
    # Fluid and air of the pleural space come last: nothing is painted over them.
    return tuple(sorted((str(name) for name in chosen), key=list(DISEASES).index))


def diseased_slice(
    hu: Field, lungs: Field, spacing_mm: Sequence[float], options: DiseaseOptions,
    donors: Sequence[Donor], rng: np.random.Generator,
) -> tuple[Field, Field]:  # fmt: skip
    """HU (z, y, x) with what the options draw, and the share that is still lung, 0 to 1."""
    names = drawn_diseases(options, rng)
    box = around_lungs(lungs, spacing_mm)
    still_lung = np.ones_like(hu)
    if not names or (lungs[box] >= 0.5).sum() < _SMALLEST_AREA:
        return hu, still_lung
    chest = Chest(hu[box], lungs[box], spacing_mm, rng, donors, options.donors)
    painted = with_disease(chest, names)
    out = hu.copy()
    out[box], still_lung[box] = painted.hu, painted.still_lung
    return out, still_lung
