"""Opacities and gas lie where they belong."""

from __future__ import annotations

from dataclasses import replace

import torch

from pleura.lab.augment import paint
from tests.lab.augment.plain import seeded
from tests.lab.tiny import STILL


def test_opacities_lie_inside_the_lungs_and_gas_outside(batch):
    lungs = batch.targets[:, :2].sum(dim=1, keepdim=True)
    inside, outside = lungs == 1, lungs == 0
    clouded = paint(batch.images, lungs, replace(STILL, opacity=1.0), seeded(0))
    assert (clouded - batch.images)[inside].max() > 200
    assert torch.equal(clouded[outside], batch.images[outside])
    gassed = paint(batch.images, lungs, replace(STILL, gas=1.0), seeded(0))
    assert (gassed - batch.images)[outside].min() < -500
    assert torch.equal(gassed[inside], batch.images[inside])
