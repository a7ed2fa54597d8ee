"""A batch whose every pixel is known."""

from __future__ import annotations

import pytest
import torch

from pleura.lab.augment import Batch
from tests.lab.augment.plain import H, N, W


@pytest.fixture
def batch():
    """Soft tissue with a dark right and left lung and an airway between, the rest known."""
    images = torch.full((N, 1, H, W), 40.0)
    targets = torch.zeros(N, 3, H, W)
    targets[:, 0, 10:40, 8:28], targets[:, 1, 10:40, 36:56] = 1, 1
    targets[:, 0, 10:40, 28] = 0.25  # a partial volume at the edge
    targets[:, 2, 20:24, 30:34] = 1
    images[:, 0][targets.sum(dim=1) >= 1] = -830
    return Batch(images, targets, torch.ones(N, 3, dtype=torch.bool))
