"""Losses by name, on logits and soft targets, with channels that a scan doesn't label left out."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor

from pleura.errors import UsageError
from pleura.lab.losses import overlap, plain
from pleura.lab.losses.planes import Loss, Planes, planes_of, union_logit

__all__ = ["LOSSES", "Loss", "Planes", "check_loss", "loss_by_name", "planes_of", "union_logit"]

_MAKERS: dict[str, Callable[[], Loss]] = {
    "bce": lambda: plain.bce,
    "dice": overlap.dice,
    "focal": overlap.focal,
    "tversky": overlap.tversky,
    "focal_tversky": overlap.focal_tversky,
    "boundary": lambda: plain.boundary,
    "seed_dice": lambda: plain.seed_dice,
    "seed_focal": lambda: plain.seed_focal,
}

LOSSES = tuple(_MAKERS)


def loss_by_name(name: str) -> Loss:
    """The loss of a name in `LOSSES`, or a weighted sum: "bce+dice", "0.5*bce+0.5*dice".

    Raises:
        UsageError: an unknown loss, a bad weight, or a loss that needs MONAI without MONAI.
    """
    terms = [(weight, _MAKERS[part]()) for weight, part in _terms(name)]
    if len(terms) == 1 and terms[0][0] == 1:
        return terms[0][1]

    def weighted_sum(planes: Planes) -> Tensor:
        first, *others = (weight * loss(planes) for weight, loss in terms)
        return sum(others, start=first)

    return weighted_sum


def check_loss(name: str) -> None:
    """Raises UsageError, as `loss_by_name` does, for a name that can't be read; needs no MONAI."""
    _terms(name)


def _terms(name: str) -> list[tuple[float, str]]:
    return [_term(term, name) for term in name.split("+")]


def _term(term: str, name: str) -> tuple[float, str]:
    """Weight and loss of "0.5*bce" or "bce"; a weight is a decimal number above 0."""
    weight, times, part = term.rpartition("*")
    where = "" if part == name else f" in '{name}'"
    if part not in _MAKERS:
        raise UsageError(
            f"Unknown loss '{part}'{where}; choose one of {', '.join(LOSSES)}, "
            "or a sum such as bce+dice or 0.5*bce+0.5*dice."
        )
    if not times:
        return 1.0, part
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", weight) or float(weight) == 0:
        raise UsageError(
            f"Bad weight '{weight}' of the loss '{part}'{where}; write a number above 0, "
            f"such as 0.5*{part}."
        )
    return float(weight), part
