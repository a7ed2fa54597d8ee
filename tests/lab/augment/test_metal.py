"""Implants lie in tissue, and their errors fade with distance."""

from __future__ import annotations

import torch

from pleura.lab.augment.metal import with_metal
from tests.lab.augment.plain import seeded


def chest(n):
    """(n, 1, 96, 128): lung on the left half, muscle on the right."""
    images = torch.full((n, 1, 96, 128), -850.0)
    images[..., 64:] = 40
    return images


def test_metal_lies_in_tissue_and_is_small():
    out = with_metal(chest(50), seeded(0))
    metal = out == 3071
    assert metal.flatten(1).any(dim=1).all()
    assert not metal[..., :60].any()  # but for a radius
    assert metal.flatten(1).sum(dim=1).max() <= 50


def test_streaks_are_bright_and_dark_and_fade():
    images = chest(30)
    out = with_metal(images, seeded(1))
    errors = torch.where(out == 3071, 0, out - images)
    assert (errors.amax(dim=(1, 2, 3)) > 20).all() and (errors.amin(dim=(1, 2, 3)) < -20).all()
    rows, columns = torch.arange(96)[:, None], torch.arange(128)
    for item, error in zip(out[:, 0] == 3071, errors[:, 0], strict=True):
        places = item.nonzero().float()
        away = torch.stack([torch.hypot(rows - y, columns - x) for y, x in places]).amin(dim=0)
        assert error[away < 8].std() > 1.5 * error[away > 40].std()


def test_between_two_implants_it_is_dark():
    images = torch.full((60, 1, 96, 128), 40.0)
    out = with_metal(images, seeded(2))
    dark = 0
    for plane, error in zip(out[:, 0], (out - images)[:, 0], strict=True):
        y, x = (plane == 3071).nonzero().float().T
        if x.max() - x.min() > 40 or y.max() - y.min() > 40:  # two
            first = int(x.argmin()) if x.max() - x.min() > y.max() - y.min() else int(y.argmin())
            last = int(x.argmax()) if x.max() - x.min() > y.max() - y.min() else int(y.argmax())
            assert error[int((y[first] + y[last]) / 2), int((x[first] + x[last]) / 2)] < -80
            dark += 1
    assert 10 < dark < 45


def test_a_picture_without_tissue_gets_metal_too():
    out = with_metal(torch.full((4, 1, 64, 64), -1024.0), seeded())
    assert (out == 3071).flatten(1).any(dim=1).all()
