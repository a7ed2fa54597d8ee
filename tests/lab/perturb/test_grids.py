"""Sampling, fields of view and placement, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.perturb import PERTURBATIONS, Perturbed
from pleura.lab.perturb.field import PADDING_HU
from pleura.volume import AIR_HU, Geometry, Volume

BY_NAME = {one.name: one for one in PERTURBATIONS}
SHAPE, SPACING = (20, 24, 24), (2.5, 2.0, 2.0)


@pytest.fixture
def scan() -> Volume:
    """Every voxel another number."""
    hu = np.arange(np.prod(SHAPE), dtype=np.int64).reshape(SHAPE) % 3000 - 1000
    return Volume(hu.astype(np.int16), Geometry.from_parts(SHAPE, SPACING, (5.0, 6.0, 7.0)))


def of(name: str, scan: Volume, strength: float) -> Perturbed:
    return BY_NAME[name].apply(scan, strength, np.random.default_rng(0))


def test_thick_slices_are_means(scan: Volume) -> None:
    done = of("slice_thickness", scan, 5)
    pairs = scan.array.reshape(10, 2, 24, 24).mean(axis=1)
    assert np.abs(done.volume.array - pairs).max() <= 0.5
    assert done.volume.geometry.spacing_zyx_mm == pytest.approx((5, 2, 2))
    assert done.volume.geometry.origin_lps_mm == pytest.approx((5, 6, 7 + 1.25))


def test_the_majority_carries(scan: Volume) -> None:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[4:10], mask[10:15] = 1, 2
    assert of("slice_thickness", scan, 10).carry(mask)[:, 0, 0].tolist() == [0, 1, 1, 2, 0]


def test_thinner_than_they_are_slices_stay(scan: Volume) -> None:
    for name, strength in (("slice_thickness", 2.5), ("matrix", 24), ("matrix", 256)):
        assert np.array_equal(of(name, scan, strength).volume.array, scan.array)


def test_a_gap_keeps_every_nth_slice_at_its_place(scan: Volume) -> None:
    done = of("gap", scan, 3)
    assert np.array_equal(done.volume.array, scan.array[::3])
    assert done.volume.geometry.spacing_zyx_mm == pytest.approx((7.5, 2, 2))
    assert done.volume.geometry.origin_lps_mm == scan.geometry.origin_lps_mm


@pytest.mark.parametrize(("name", "strength", "left"), [
    ("missing_block", 3, 17), ("missing_scattered", 10, 18), ("missing_block", 99, 1),
])  # fmt: skip
def test_lost_slices_are_not_in_the_header(
    scan: Volume, name: str, strength: float, left: int
) -> None:
    done = of(name, scan, strength)
    assert len(done.volume.array) == left
    assert np.array_equal(done.volume.array, done.carry(scan.array))
    assert done.volume.geometry.spacing_zyx_mm == scan.geometry.spacing_zyx_mm
    kept = {plane.tobytes() for plane in scan.array}
    assert all(plane.tobytes() in kept for plane in done.volume.array)


def test_a_larger_loss_holds_the_smaller_one(scan: Volume) -> None:
    few, more = (
        {plane.tobytes() for plane in of("missing_scattered", scan, p).volume.array}
        for p in (10, 30)
    )
    assert more < few


def test_crops_take_the_side_that_they_name(scan: Volume) -> None:
    assert np.array_equal(of("crop_top", scan, 20).volume.array, scan.array[:16])
    bottom = of("crop_bottom", scan, 20).volume
    assert np.array_equal(bottom.array, scan.array[4:])
    assert bottom.geometry.origin_lps_mm == pytest.approx((5, 6, 7 + 4 * 2.5))
    side = of("crop_side", scan, 50).volume  # x runs to the patient's left
    assert np.array_equal(side.array, scan.array[:, :, :12])


def test_a_round_field_hides_its_corners(scan: Volume) -> None:
    done = of("round_field", scan, 50)
    assert np.all(done.volume.array[:, 0, 0] == PADDING_HU)
    assert np.array_equal(done.volume.array[:, 11:13, 11:13], scan.array[:, 11:13, 11:13])
    seen = done.carry(np.ones(SHAPE, dtype=np.uint8))
    assert np.array_equal(seen == 0, done.volume.array == PADDING_HU)
    assert seen[0].mean() == pytest.approx(np.pi / 4 * 0.25, rel=0.15)


def test_a_shift_is_whole_pixels_to_the_left_and_air(scan: Volume) -> None:
    done = of("shift", scan, 20).volume
    assert np.array_equal(done.array[:, :, 10:], scan.array[:, :, :-10])
    assert np.all(done.array[:, :, :10] == AIR_HU)
    assert np.all(of("shift", scan, 120).volume.array == AIR_HU)


@pytest.mark.parametrize(("which", "axis"), [(1, 2), (2, 1), (3, 0)])
def test_flips(scan: Volume, which: float, axis: int) -> None:
    done = of("flip", scan, which)
    assert np.array_equal(done.volume.array, np.flip(scan.array, axis))
    assert np.array_equal(done.carry(scan.array), np.flip(scan.array, axis))
    assert done.volume.geometry.matches(scan.geometry)


def test_a_quarter_turn_is_exact_on_square_pixels(scan: Volume) -> None:
    """The back goes to the patient's left."""
    done = of("rotation", scan, 90)
    expected = np.rot90(scan.array, 1, axes=(1, 2))
    assert np.abs(done.volume.array - expected).max() <= 1
    back = np.zeros(SHAPE, dtype=np.uint8)
    back[:, -2:] = 1
    assert np.flatnonzero(done.carry(back)[0].any(axis=0)).tolist() == [22, 23]


@pytest.mark.parametrize(("name", "axis", "sign"), [
    ("tilt_forwards", 1, -1), ("tilt_sideways", 2, 1),
])  # fmt: skip
def test_a_tilt_moves_the_head_by_its_angle_in_mm(name: str, axis: int, sign: int) -> None:
    shape = (41, 61, 61)
    scan = Volume(np.zeros(shape, np.int16), Geometry.from_parts(shape, (5.0, 2.0, 2.0)))
    rod = np.zeros(shape, dtype=np.uint8)
    rod[:, 28:33, 28:33] = 1
    done = of(name, scan, 15).carry(rod)
    head = [np.mean(found) for found in np.nonzero(done[32:35])][axis]
    expected = 30 + sign * np.tan(np.deg2rad(15)) * 13 * 5 / 2
    assert head == pytest.approx(expected, abs=0.7)
