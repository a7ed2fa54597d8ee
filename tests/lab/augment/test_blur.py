"""Blurs against torch's and scipy's own."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from pleura.lab.augment.blur import blur, gaussian
from tests.lab.augment.plain import seeded


def test_the_small_blur_is_the_mean_of_nine():
    images = torch.randn(3, 1, 12, 17, generator=seeded())
    wanted = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    torch.testing.assert_close(blur(images), wanted)


def test_each_item_is_blurred_by_its_own_widths():
    images = torch.randn(3, 1, 24, 31, generator=seeded())
    sigma_y, sigma_x = torch.tensor([0.7, 1.4, 2.0]), torch.tensor([2.0, 0.5, 1.0])
    out = gaussian(images, sigma_y, sigma_x)
    for item, result, *sigmas in zip(images[:, 0], out[:, 0], sigma_y, sigma_x, strict=True):
        wanted = gaussian_filter(item.numpy(), [float(s) for s in sigmas], mode="nearest", radius=6)
        np.testing.assert_allclose(result.numpy(), wanted, atol=1e-5)
