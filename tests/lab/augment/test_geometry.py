"""Matrices, turns, displacements and sides."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from pleura.lab.augment import AugmentOptions, affine_matrices, displacement, swap_sides, turned
from tests.lab.augment.plain import H, N, W, seeded
from tests.lab.tiny import STILL

IDENTITY = torch.tensor([[1.0, 0, 0], [0, 1, 0]])


def test_all_off_leaves_every_pixel_where_it_is():
    matrices = affine_matrices(STILL, N, seeded())
    assert torch.equal(matrices, IDENTITY.expand(N, 2, 3))
    assert torch.equal(turned(matrices, STILL, seeded()), matrices)
    assert torch.equal(displacement(STILL, N, (H, W), seeded()), torch.zeros(N, H, W, 2))


def test_same_generator_same_geometry():
    options = AugmentOptions(stretch=0.2, elastic=0.02, decubitus=0.3, prone=0.3)

    def drawn(seed):
        g = seeded(seed)
        matrices = turned(affine_matrices(options, N, g), options, g)
        return torch.cat([matrices.flatten(), displacement(options, N, (H, W), g).flatten()])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_mirror_and_upside_down_are_signs():
    mirrored = affine_matrices(replace(STILL, mirror=1.0), N, seeded())
    assert torch.equal(mirrored, torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).expand(N, 2, 3))
    upside = affine_matrices(replace(STILL, upside_down=1.0), N, seeded())
    assert torch.equal(upside, torch.tensor([[1.0, 0, 0], [0, -1, 0]]).expand(N, 2, 3))


def test_ranges_of_zoom_rotation_and_shift():
    zooms = torch.linalg.det(affine_matrices(replace(STILL, zoom=1.0), 200, seeded())[:, :, :2])
    assert 0.25 <= zooms.min() < 0.35 and 3 < zooms.max() <= 4  # areas: side 1/2 to 2
    angles_of = affine_matrices(replace(STILL, rotation_deg=30.0), 200, seeded())
    angles = torch.rad2deg(torch.atan2(angles_of[:, 1, 0], angles_of[:, 0, 0]))
    assert -30 <= angles.min() < -25 and 25 < angles.max() <= 30.001
    moved = affine_matrices(replace(STILL, shift=0.1), 200, seeded())[:, :, 2]
    for axis in (0, 1):  # in half frame widths
        assert -0.2 <= moved[:, axis].min() < -0.15 and 0.15 < moved[:, axis].max() <= 0.2


def test_without_zoom_distances_stay():
    options = replace(STILL, rotation_deg=30.0, mirror=0.5, upside_down=0.5)
    turns = affine_matrices(options, 50, seeded())[:, :, :2]
    identity = torch.eye(2).expand(50, 2, 2)
    torch.testing.assert_close(turns @ turns.transpose(1, 2), identity)
    assert {-1, 1} == set(torch.linalg.det(turns).round().int().tolist())


def test_stretching_changes_width_against_height_and_keeps_the_area():
    matrices = affine_matrices(replace(STILL, stretch=0.4), 300, seeded())[:, :, :2]
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(300))
    ratios = torch.log2(matrices[:, 0, 0] / matrices[:, 1, 1])
    assert -0.4 <= ratios.min() < -0.36 and 0.36 < ratios.max() <= 0.4
    # The patient is stretched, then turned: the patient's axes stay at right angles.
    both = affine_matrices(replace(STILL, stretch=0.4, rotation_deg=30.0), 50, seeded())
    rows = both[:, :, :2]
    assert (rows[:, 0] * rows[:, 1]).sum(dim=1).abs().max() < 1e-6


def test_turns_are_quarters_and_halves_and_never_mirror():
    matrices = IDENTITY.expand(400, 2, 3)
    out = turned(matrices, replace(STILL, decubitus=0.3, prone=0.2), seeded())
    angles = torch.rad2deg(torch.atan2(out[:, 1, 0], out[:, 0, 0])).round().int()
    shares = {int(a): float((angles == a).float().mean()) for a in angles.abs().unique()}
    assert set(angles.abs().tolist()) == {0, 90, 180} and {-90, 90} < set(angles.tolist())
    assert 0.15 < shares[180] < 0.25
    assert 0.25 < float((angles.abs() == 90).float().mean()) < 0.35
    torch.testing.assert_close(torch.linalg.det(out[:, :, :2]), torch.ones(400))


def test_a_turn_is_one_of_the_picture_and_looks_at_the_same_middle():
    matrices = affine_matrices(AugmentOptions(), 20, seeded())
    out = turned(matrices, replace(STILL, decubitus=1.0), seeded())
    assert torch.equal(out[:, :, 2], matrices[:, :, 2])
    # What lay at the output's (x, 0) lies at (0, x) or (0, -x).
    torch.testing.assert_close(out[:, :, 1].abs(), matrices[:, :, 0].abs())


def test_a_turned_right_lung_stays_the_right_one():
    """Seen through a grid as the dataset makes it: the lung and its channel go together."""
    lung = torch.zeros(1, 2, 32, 32)
    lung[:, 0, 12:20, 2:12], lung[:, 1, 12:20, 20:30] = 1, 1
    out = turned(IDENTITY[None], replace(STILL, prone=1.0), seeded())
    grid = F.affine_grid(out, [1, 2, 32, 32], align_corners=False)
    seen = F.grid_sample(lung, grid, align_corners=False)
    torch.testing.assert_close(seen, lung.flip(2, 3), rtol=0, atol=1e-5)


def test_displacements_are_smooth_as_large_as_asked_and_differ_between_items():
    moves = displacement(replace(STILL, elastic=0.02), 400, (H, W), seeded())
    spread = moves.flatten(1).std(dim=1)
    assert spread.max() < 2 * 0.02 * 1.2 and spread.max() > 2 * 0.02 * 0.7
    assert spread.min() < 0.2 * spread.max()
    assert not torch.equal(moves[0], moves[1])


def test_a_displacement_of_five_millimetres_folds_nothing():
    moves = displacement(replace(STILL, elastic=0.012), 1000, (H, W), seeded())
    pixel = 2 / W  # along both axes, in half frame widths
    along_y, along_x = moves.diff(dim=1)[:, :, :-1] / pixel, moves.diff(dim=2)[:, :-1] / pixel
    areas = (1 + along_x[..., 0]) * (1 + along_y[..., 1]) - along_x[..., 1] * along_y[..., 0]
    assert areas.min() > 0


def test_a_displacement_does_not_depend_on_the_resolution():
    options = replace(STILL, elastic=0.02)
    coarse = displacement(options, 3, (H, W), seeded(4)).permute(0, 3, 1, 2)
    fine = displacement(options, 3, (2 * H, 2 * W), seeded(4)).permute(0, 3, 1, 2)
    torch.testing.assert_close(F.avg_pool2d(fine, 2), coarse, rtol=0, atol=1e-3)


def test_only_items_with_sides_swap_them():
    targets = torch.rand(3, 3, 2, 2, generator=seeded())
    swapped = swap_sides(targets, torch.tensor([True, False, True]))
    assert torch.equal(swapped[0, 0], targets[0, 1]) and torch.equal(swapped[0, 1], targets[0, 0])
    assert torch.equal(swapped[1], targets[1])
    assert torch.equal(swapped[:, 2], targets[:, 2])
