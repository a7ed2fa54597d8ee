"""Blurs of a batch of images (n, 1, h, w); beyond the frame the last pixel goes on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def blur(images: Tensor) -> Tensor:
    """Mean of 3 x 3 pixels."""
    h, w = images.shape[2:]
    # Two sums along one axis each are several times faster than a pooling.
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, :h] + padded[:, :, 1 : h + 1]
    rows += padded[:, :, 2:]
    out = rows[..., :w] + rows[..., 1 : w + 1]
    out += rows[..., 2:]
    return out.mul_(1 / 9)


def gaussian(images: Tensor, sigma_y: Tensor, sigma_x: Tensor) -> Tensor:
    """Each item blurred by its own standard deviations in pixels, at most 3."""
    n, _, h, w = images.shape
    reach = 6
    places = torch.arange(-reach, reach + 1)
    taps = [
        torch.softmax(-0.5 * (places / sigma.reshape(n, 1).clamp(min=0.1)) ** 2, dim=1)
        for sigma in (sigma_y, sigma_x)
    ]
    planes = images.reshape(1, n, h, w)
    planes = F.pad(planes, (0, 0, reach, reach), mode="replicate")
    planes = F.conv2d(planes, taps[0][:, None, :, None], groups=n)
    planes = F.pad(planes, (reach, reach, 0, 0), mode="replicate")
    return F.conv2d(planes, taps[1][:, None, None, :], groups=n).reshape(n, 1, h, w)
