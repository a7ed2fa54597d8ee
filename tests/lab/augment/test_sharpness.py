"""Kernels, thick slices and breathing, seen at an edge."""

from __future__ import annotations

from dataclasses import replace

import torch

from pleura.lab.augment.sharpness import moved_edges, reconstructed
from tests.lab.augment.plain import W, edge, seeded
from tests.lab.tiny import STILL


def test_strong_kernels_blur_or_overshoot_at_edges_and_leave_the_rest():
    images = edge(100)
    out = reconstructed(images, replace(STILL, strong_kernel=1.0), seeded(0))
    over = out.amax(dim=(1, 2, 3)) - 40
    sharp = over > 1
    assert 0.35 < sharp.float().mean() < 0.65
    assert over[sharp].min() > 0.1 * 840 and over.max() < 0.7 * 840
    # More than the 3 x 3 kernel of `sharpen` at its strongest: 0.8 of a third of the step.
    assert over.max() > 0.3 * 840
    blurred = out[~sharp]
    assert blurred.amax() < 40.01 and blurred.amin() > -800.01
    assert ((blurred[:, 0, 0, W // 2] - 40) < -80).all()
    torch.testing.assert_close(out[..., :10], images[..., :10], rtol=0, atol=1)


def test_thick_slices_blur_both_axes_apart():
    upright, lying = edge(40), edge(40).transpose(2, 3).contiguous()
    options = replace(STILL, thick_slice=1.0)
    over_x = moved_edges(upright, options, seeded(0))[:, 0, 0, W // 2]
    over_y = moved_edges(lying, options, seeded(0))[:, 0, W // 2, 0]
    assert (over_x < 0).all() and (over_y < 0).all()
    assert (over_x - over_y).abs().max() > 30
    assert over_x.std() > 10


def test_breathing_doubles_edges_and_the_first_stays_the_stronger():
    # Two halves on top of each other: breathing moves the chest front to back.
    images = edge(40).transpose(2, 3).contiguous()
    out = moved_edges(images, replace(STILL, breathing=1.0), seeded(0))
    moved = (out - images).abs()
    assert (moved.amax(dim=(1, 2, 3)) > 0.1 * 840).float().mean() > 0.9
    assert moved.max() < 0.46 * 840  # so a threshold half-way still finds the old edge
    assert out.min() >= -800.01 and out.max() <= 40.01
