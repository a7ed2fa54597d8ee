"""Losses in plain torch: cross-entropy, the boundary loss and the seed study's own forms."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from pleura.lab.losses.planes import Planes

_SEED_SMOOTH = 1.0
_SEED_ALPHA, _SEED_GAMMA = 0.25, 2.0


def bce(planes: Planes) -> Tensor:
    """Binary cross-entropy, mean over pixels, then over planes.

    An empty target is nothing special: the loss goes to 0 where nothing is found.
    """
    return planes.mean(_cross_entropy(planes))


def boundary(planes: Planes) -> Tensor:
    """Boundary loss of Kervadec et al. (2019, MIDL): error times distance to the target's contour.

    Mean over pixels of (p - g) * phi, where g is the target at 0.5 and phi the signed distance
    to its contour, negative inside, as a share of the plane's diagonal. The paper drops the
    constant g * phi; with it the loss is 0 for a perfect plane and never negative, and the
    gradient is the same. MONAI's HausdorffDTLoss is another loss (Karimi and Salcudean, 2019):
    squared errors, and distances of the prediction too, anew for each step.

    A target that is all empty (or all full) has no contour; each pixel then counts as a whole
    diagonal away, so the loss is the mean of p (or of 1 - p). The authors' code ignores such
    planes, and false lung on an empty slice would cost nothing.
    """
    inside = planes.targets >= 0.5
    distances = np.stack([_signed_distance(plane) for plane in inside.cpu().numpy()])
    phi = torch.from_numpy(distances).to(planes.logits)
    return planes.mean((torch.sigmoid(planes.logits) - inside.to(phi)) * phi)


def seed_dice(planes: Planes) -> Tensor:
    """The seed study's Dice loss: all planes flattened into one, smooth 1, weights not used.

    1 - (2 * sum(p * t) + 1) / (sum(p) + sum(t) + 1). If all targets are empty it is
    1 - 1 / (sum(p) + 1), that is, 0 where nothing is found.
    """
    p, t = torch.sigmoid(planes.logits), planes.targets
    return 1 - (2 * (p * t).sum() + _SEED_SMOOTH) / (p.sum() + t.sum() + _SEED_SMOOTH)


def seed_focal(planes: Planes) -> Tensor:
    """The seed study's focal loss: mean over all pixels, weights not used.

    0.25 * (1 - exp(-bce))^2 * bce for each pixel, so foreground and background have the same
    alpha. An empty target is nothing special: the loss goes to 0 where nothing is found.
    """
    cross_entropy = _cross_entropy(planes)
    miss = 1 - torch.exp(-cross_entropy)
    return (_SEED_ALPHA * miss**_SEED_GAMMA * cross_entropy).mean()


def _cross_entropy(planes: Planes) -> Tensor:
    return F.binary_cross_entropy_with_logits(planes.logits, planes.targets, reduction="none")


def _signed_distance(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Distance (h, w) to the contour, negative inside, as a share of the diagonal.

    The contour runs half a pixel before the nearest pixel of the other kind.
    """
    import edt  # the only loss that needs it

    sign = np.where(inside, np.float32(-1), np.float32(1))
    if inside.all() or not inside.any():
        return sign
    # Two labels and no background: edt measures to the nearest pixel of the other label.
    pixels: npt.NDArray[np.float32] = edt.edt(inside.astype(np.uint8) + 1, parallel=1)
    shares: npt.NDArray[np.float32] = (pixels - np.float32(0.5)) / math.hypot(*inside.shape)
    return sign * shares
