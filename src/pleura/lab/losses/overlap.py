"""Dice, focal and Tversky losses of MONAI, one plane at a time.

MONAI is slow to import and part of the extra `lab` only, so it's imported when a loss is made.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor

from pleura.errors import as_pleura_error
from pleura.lab.losses.planes import Loss, Planes

# Lin et al. (2017): alpha weighs the foreground, 1 - alpha the background.
_FOCAL = {"alpha": 0.25, "gamma": 2.0}
# Salehi et al. (2017): alpha weighs false positives, beta false negatives.
_TVERSKY = {"alpha": 0.3, "beta": 0.7}
# Abraham and Khan (2019): (1 - Tversky index)^(1 / gamma) with gamma 4/3.
_FOCAL_TVERSKY_EXPONENT = 0.75
# The power's slope is infinite at 0.
_LEAST_TVERSKY_LOSS = 1e-6
# One pixel is added above and below the fraction: an empty plane has a defined value and slope.
# `soft_label`: Wang et al. (2023), smallest where p = t, also for targets between 0 and 1.
_OVERLAP = {"sigmoid": True, "soft_label": True, "smooth_nr": 1.0, "smooth_dr": 1.0}


def dice() -> Loss:
    """Dice loss of each plane, 1 - (2 * tp + 1) / (sum(p) + sum(t) + 1), then their mean.

    2 * tp = sum(p) + sum(t) - sum(|p - t|), which is 2 * sum(p * t) for targets of 0 and 1.
    On an empty target it is 1 - 1 / (sum(p) + 1): 0 where nothing is found, near 1 (and nearly
    flat) where much is, so it's best added to `bce`.
    """
    return _per_plane(_monai("DiceLoss", **_OVERLAP))


def focal() -> Loss:
    """Focal loss of Lin et al. (2017, ICCV), gamma 2, alpha 0.25; mean over pixels, then planes.

    An empty target is nothing special: the loss goes to 0 where nothing is found.
    """
    return _per_plane(_monai("FocalLoss", **_FOCAL))


def tversky() -> Loss:
    """Tversky loss of each plane (Salehi et al., 2017, MLMI), then their mean.

    1 - (tp + 1) / (tp + 0.3 * fp + 0.7 * fn + 1), tp as in `dice`: missed lung costs more than
    false lung. On an empty target it is 1 - 1 / (0.3 * sum(p) + 1), 0 where nothing is found.
    """
    return _per_plane(_monai("TverskyLoss", **_TVERSKY, **_OVERLAP))


def focal_tversky() -> Loss:
    """Focal Tversky loss (Abraham and Khan, 2019, ISBI): `tversky` of each plane to the power 3/4.

    Coefficients as in `tversky`, which are the paper's. On an empty target where nothing is
    found it is 3e-5, its smallest value: below 1e-6 the Tversky loss counts as 1e-6, because
    the power's slope is infinite at 0.
    """
    per_plane = _monai("TverskyLoss", **_TVERSKY, **_OVERLAP)

    def loss(planes: Planes) -> Tensor:
        values = _values(per_plane, planes).clamp(min=_LEAST_TVERSKY_LOSS)
        return planes.mean(values**_FOCAL_TVERSKY_EXPONENT)

    return loss


def _per_plane(monai_loss: Any) -> Loss:
    return lambda planes: planes.mean(_values(monai_loss, planes))


def _values(monai_loss: Any, planes: Planes) -> Tensor:
    """(m, ...): MONAI takes (batch, channels, h, w); each plane is a batch item of one channel."""
    values: Tensor = monai_loss(planes.logits[:, None], planes.targets[:, None])
    return values


def _monai(name: str, **options: float) -> Any:
    """A loss of MONAI without reduction.

    Raises:
        UsageError: MONAI is not installed.
    """
    try:
        losses = importlib.import_module("monai.losses")
    except ModuleNotFoundError as error:
        raise as_pleura_error(error) from error
    return getattr(losses, name)(reduction="none", **options)
