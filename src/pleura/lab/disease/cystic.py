"""Disease with holes, which stay lung: honeycombing, cavities."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from pleura.lab.disease.chest import Chest
from pleura.lab.disease.dense import mass_cover
from pleura.lab.disease.fields import share_of

_AIR_HU = -980.0


def cavity(chest: Chest) -> None:
    """A mass with air inside, or with air over fluid."""
    for lung in chest.some_lungs()[:1]:
        rng = chest.rng
        cover = mass_cover(chest, lung)
        texture = chest.dense_texture()
        density = chest.tissue.level_hu + rng.uniform(-40, 30) + texture
        chest.fill(cover, density.astype(np.float32), lung)
        hole = np.clip(
            (chest.soft(cover, rng.uniform(1.5, 5)) - rng.uniform(0.75, 0.97)) * 20, 0, 1
        )
        if rng.random() < 0.4:  # fluid lies below
            hole *= chest.downwards(lung) < rng.uniform(0.3, 0.8)
        chest.fill(hole.astype(np.float32), (_AIR_HU + 0.7 * texture).astype(np.float32), lung)


def honeycombing(chest: Chest) -> None:
    """Cysts of 3 to 12 mm with walls, along the pleura, in fibrous lung."""
    for lung in chest.each_lung():
        rng = chest.rng
        thickness = rng.uniform(8, 40)
        score = -chest.depth_mm(lung) / thickness + 0.4 * chest.noise(30.0)
        score = score + rng.uniform(0, 1.0) * chest.downwards(lung)
        zone = share_of(score.astype(np.float32), lung, rng.uniform(0.1, 0.5), 0.1)
        places = np.argwhere(lung & (zone > 0.05))
        if len(places) == 0:
            continue
        spacing = np.asarray(chest.spacing_mm)
        size = rng.uniform(3, 12)  # mm
        per_cyst = (
            size**3 / spacing.prod() if chest.hu.shape[0] > 1 else size**2 / spacing[1:].prod()
        )
        count = max(2, round(len(places) / max(1.0, per_cyst)))
        centres = places[rng.choice(len(places), min(count, len(places)), replace=False)]
        if len(centres) < 2:
            continue
        near, _ = cKDTree(centres * spacing).query(places * spacing, k=2)
        wall = rng.uniform(0.6, 1.8)  # mm
        solid = 1 / (1 + np.exp(np.clip((near[:, 1] - near[:, 0] - wall) / 0.5, -30, 30)))
        density = np.full(chest.hu.shape, _AIR_HU, np.float32)
        texture = chest.texture()
        wall_hu = rng.uniform(-350, 0)
        density[tuple(places.T)] = _AIR_HU + solid * (wall_hu - _AIR_HU)
        chest.fill(zone * lung, density + 0.8 * texture, lung)
