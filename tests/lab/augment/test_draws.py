"""Random fields and who gets what."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from pleura.lab.augment import smooth_field
from pleura.lab.augment.draws import enlargement, picked
from tests.lab.augment.plain import seeded


def test_the_enlargement_is_the_bicubic_one():
    noise = torch.randn(3, 1, 7, 7, generator=seeded(1))
    wanted = F.interpolate(noise, size=(48, 64), mode="bicubic", align_corners=False)
    torch.testing.assert_close(smooth_field((3, 48, 64), 7, seeded(1)), wanted)
    torch.testing.assert_close(
        enlargement(7, 48) @ (noise @ enlargement(7, 64).T), wanted, rtol=0, atol=1e-5
    )


def test_nobody_and_everybody_can_be_picked():
    assert picked(seeded(), 5, 0.0).tolist() == []
    assert picked(seeded(), 5, 1.0).tolist() == [0, 1, 2, 3, 4]
