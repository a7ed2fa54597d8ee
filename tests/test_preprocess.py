from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.body import Box, body_box
from pleura.model_spec import Preprocessing
from pleura.preprocess import NetworkGrid, Orientation, prepare
from pleura.volume import Geometry, Volume
from tests.grids import AXIS_DIRECTIONS, geometries, rotation
from tests.phantom import chest


@pytest.mark.parametrize("direction", AXIS_DIRECTIONS)
def test_all_48_orders_become_canonical_and_come_back(direction: np.ndarray) -> None:
    shape = (3, 4, 5)
    geometry = Geometry.from_parts(shape, (2.0, 0.7, 0.9), (10, 20, 30), direction)
    array = np.arange(60, dtype=np.int16).reshape(shape)
    orientation = Orientation.of(geometry)
    canonical = orientation.geometry(geometry)
    assert np.allclose(canonical.direction_lps, np.eye(3))
    assert orientation.apply(array).shape == canonical.shape_zyx
    assert (orientation.undo(orientation.apply(array)) == array).all()
    # the voxel at the patient's right, front, feet is the first
    lowest = geometry.affine[:3, :3] @ np.array(
        np.meshgrid(range(5), range(4), range(3), indexing="ij")
    ).reshape(3, -1)
    first = int(np.argmin(lowest.sum(axis=0)))
    x, y, z = np.unravel_index(first, (5, 4, 3))
    assert orientation.apply(array)[0, 0, 0] == array[z, y, x]


@given(geometries())
def test_oblique_grids_are_turned_by_less_than_half_a_right_angle_per_axis(
    geometry: Geometry,
) -> None:
    orientation = Orientation.of(geometry)
    canonical = orientation.geometry(geometry)
    assert (np.diag(canonical.direction_lps) >= 0).all()
    # the best of all orders: no other one has a larger sum of cosines
    best = np.trace(np.abs(canonical.direction_lps))
    for other in AXIS_DIRECTIONS:
        assert np.trace(canonical.direction_lps @ other) <= best + 1e-9
    array = np.zeros(geometry.shape_zyx)
    assert orientation.undo(orientation.apply(array)).shape == geometry.shape_zyx


def test_the_box_holds_the_body_but_not_the_table() -> None:
    phantom = chest((10, 128, 128), (28, 3, 3))
    box = body_box(phantom.hu)
    rows = np.flatnonzero((phantom.hu[:, :100] > -500).any(axis=(0, 2)))
    columns = np.flatnonzero((phantom.hu[:, 20:90] > -500).any(axis=(0, 1)))
    assert box.y0 <= rows[0]
    assert rows[-1] < box.y1 < rows[-1] + 8  # the table lies 5 pixels behind the back
    assert box.x0 <= columns[0]
    assert box.x1 >= columns[-1]


@pytest.mark.parametrize("value", [-1000, 0])
def test_without_a_body_the_box_is_the_frame(value: int) -> None:
    assert body_box(np.full((3, 40, 50), value, np.int16)) == Box(0, 40, 0, 50)


def test_the_grid_is_isotropic_and_a_multiple() -> None:
    grid = NetworkGrid.fit(Box(10, 90, 5, 105), (100, 110), (2.0, 1.5), 256, 32)
    assert grid.pixel_mm == pytest.approx(160 / 256)
    assert grid.shape == (256, 256)  # 160 mm x 150 mm
    wide = NetworkGrid.fit(Box(10, 50, 5, 105), (100, 110), (2.0, 1.5), 256, 32)
    assert wide.shape == (160, 256)


def test_what_lies_outside_the_scan_is_air() -> None:
    hu = np.full((1, 64, 128), 40, np.int16)
    prepared = prepare(Volume(hu, Geometry.from_parts(hu.shape)), Preprocessing(long_side=128))
    batch = next(prepared.batches(1))
    assert batch.shape == (1, 1, 64, 128)
    tall = prepare(
        Volume(hu[:, :50], Geometry.from_parts((1, 50, 128))), Preprocessing(long_side=128)
    )
    batch = next(tall.batches(1))[0, 0]
    assert batch.shape == (64, 128)
    assert np.allclose(batch[[0, -1]], 0)  # -1024 HU
    assert batch[32, 64] == pytest.approx((40 + 1024) / 1624, abs=1e-4)


def test_the_window_clips_before_averaging() -> None:
    hu = np.full((1, 64, 64), -1000, np.int16)
    hu[0, 31, 31] = 30000  # metal must count as 600
    prepared = prepare(
        Volume(hu, Geometry.from_parts(hu.shape)), Preprocessing(long_side=32, crop="none")
    )
    assert next(prepared.batches(1)).max() == pytest.approx((3 * 24 + 1624) / 4 / 1624, abs=1e-4)


def test_scaling_none_keeps_hu() -> None:
    hu = np.full((1, 32, 32), -300, np.int16)
    rules = Preprocessing(long_side=32, scaling="none", crop="none")
    batch = next(prepare(Volume(hu, Geometry.from_parts(hu.shape)), rules).batches(4))
    assert np.allclose(batch, -300)


@pytest.mark.parametrize(
    ("scaling", "stretch", "expected"),  # of -2000, -1000, -300, 0 and 2000 HU
    [
        ("unit", None, [0, 24 / 1624, 724 / 1624, 1024 / 1624, 1]),
        ("none", None, [-1024, -1000, -300, 0, 600]),
        ("unit", (-600, 200), [0, 0, 300 / 800, 600 / 800, 1]),
        ("none", (-600, 200), [0, 0, 255 * 300 / 800, 255 * 600 / 800, 255]),
    ],
)
def test_window_and_stretch_by_hand(
    scaling: str, stretch: tuple[float, float] | None, expected: list[float]
) -> None:
    hu = np.repeat(np.array([-2000, -1000, -300, 0, 2000], np.int16), 32 * 32)
    volume = Volume(hu.reshape(5, 32, 32), Geometry.from_parts((5, 32, 32)))
    rules = Preprocessing(stretch_hu=stretch, scaling=scaling, long_side=32, crop="none")  # type: ignore[arg-type]
    batch = np.concatenate(list(prepare(volume, rules).batches(2)))
    assert batch.shape == (5, 1, 32, 32)
    assert np.allclose(batch, np.array(expected).reshape(5, 1, 1, 1), atol=1e-4)


def test_a_stretch_is_taken_of_averages_not_of_pixels() -> None:
    """As training does it: window, resample, then stretch."""
    hu = np.full((1, 64, 64), -1000, np.int16)
    hu[0, ::2] = 0  # every pixel of the network is half of each
    volume = Volume(hu, Geometry.from_parts(hu.shape))
    rules = Preprocessing(stretch_hu=(-600, -400), long_side=32, crop="none")
    assert np.allclose(next(prepare(volume, rules).batches(1)), 0.5, atol=1e-4)


@pytest.mark.parametrize("crop", ["none", "body"])
def test_crop_decides_about_the_box(crop: str) -> None:
    phantom = chest((4, 96, 128), (70, 4, 4))
    rules = Preprocessing(long_side=128, crop=crop)  # type: ignore[arg-type]
    prepared = prepare(Volume(phantom.hu, phantom.geometry), rules)
    whole = Box(0, 96, 0, 128)
    assert prepared.box == (whole if crop == "none" else body_box(phantom.hu))
    assert prepared.box != whole or crop == "none"
    assert (prepared.grid.pixel_mm == pytest.approx(4)) == (crop == "none")


def test_a_slice_of_the_network_s_own_size_is_untouched() -> None:
    hu = np.random.default_rng(0).integers(-1024, 600, (2, 512, 512), dtype=np.int16)
    rules = Preprocessing(scaling="none", long_side=512, crop="none")
    geometry = Geometry.from_parts(hu.shape, (2.5, 0.7, 0.7))
    prepared = prepare(Volume(hu, geometry), rules)
    assert (next(prepared.batches(2))[:, 0] == hu).all()
    labels = (hu > 0).astype(np.uint8) * 255
    assert (prepared.grid.restore(labels) == labels).all()


@settings(max_examples=25)
@given(st.integers(40, 90), st.integers(40, 90), st.floats(0.5, 2), st.integers(0, 9))
def test_restore_puts_a_disc_back_where_it_was(h: int, w: int, aspect: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    centre = random.uniform(0.35, 0.65, 2) * (h, w)
    radius_mm = 0.25 * min(h * aspect, w)
    distance = np.hypot((y - centre[0]) * aspect, x - centre[1])
    disc = (distance < radius_mm)[None]
    grid = NetworkGrid.fit(Box(0, h, 0, w), (h, w), (aspect, 1.0), 64, 32)
    restored = grid.restore(grid.forward(disc)) >= 0.5
    dice = 2 * (restored & disc).sum() / (restored.sum() + disc.sum())
    assert dice > 0.96  # a network pixel is up to 1.4 of the scan's here


def test_soft_occupancies_survive_256_pixels_better_than_hard_labels() -> None:
    y, x = np.mgrid[:512, :512]
    lung = (((y - 256) / 150) ** 2 + ((x - 170) / 90) ** 2 < 1) & (np.hypot(y - 256, x - 240) > 60)
    grid = NetworkGrid.fit(Box(0, 512, 0, 512), (512, 512), (0.7, 0.7), 256, 32)
    soft = grid.forward(lung[None])

    def dice(on_network: np.ndarray) -> float:
        back = grid.restore(on_network)[0] >= 0.5
        return float(2 * (back & lung).sum() / (back.sum() + lung.sum()))

    assert dice(soft) > 0.998
    assert dice((soft >= 0.5).astype(np.float32)) < dice(soft)


def test_a_sheared_grid_is_processed_on_its_voxels() -> None:
    phantom = chest((6, 64, 64), (45, 6, 6))
    affine = phantom.geometry.affine.copy()
    affine[1, 2] = 8.0
    prepared = prepare(Volume(phantom.hu, Geometry(phantom.hu.shape, affine)), Preprocessing())
    straight = prepare(Volume(phantom.hu, phantom.geometry), Preprocessing())
    assert np.allclose(next(prepared.batches(6)), next(straight.batches(6)))


def test_a_coronal_scan_is_seen_from_the_feet() -> None:
    phantom = chest((40, 64, 64), (7, 6, 6))
    coronal = Volume(
        np.ascontiguousarray(phantom.hu.transpose(1, 0, 2)[:, ::-1]),
        phantom.geometry.transposed((1, 0, 2), (False, True, False)),
    )
    prepared = prepare(coronal, Preprocessing())
    assert (prepared.hu == phantom.hu).all()


def test_a_turned_grid_keeps_its_order() -> None:
    direction = rotation(20, 0) @ rotation(-15, 2)
    geometry = Geometry.from_parts((4, 5, 6), (2, 1, 1), (0, 0, 0), direction)
    assert Orientation.of(geometry) == Orientation((0, 1, 2), (False, False, False))


WINDOWS = st.sampled_from(
    # The second's sums of two, and the first's of 33, don't fit into int16.
    [(-1024, 600), (-32768, 32767), (-1000.5, 400.25), (-40000, 40000), (-16384, 0), (-0.5, 1e6)]
)
FILLINGS = st.sampled_from(["noise", "low", "high"])


@settings(deadline=None)
@given(WINDOWS, st.integers(1, 40), st.integers(1, 40), FILLINGS, st.integers(0, 99))
def test_a_slab_is_the_mean_of_its_clipped_slices(
    window: tuple[float, float], slices: int, thickness: int, filling: str, seed: int
) -> None:
    if filling == "noise":
        random = np.random.default_rng(seed)
        hu = random.integers(-32768, 32768, (slices, 32, 32), dtype=np.int16)
    else:
        hu = np.full((slices, 32, 32), -32768 if filling == "low" else 32767, dtype=np.int16)
    rules = Preprocessing(
        window_hu=window, scaling="none", long_side=32, crop="none", slab_mm=1.5 * thickness
    )
    prepared = prepare(Volume(hu, Geometry.from_parts(hu.shape, (1.5, 1.0, 1.0))), rules)
    exact = np.clip(hu.astype(np.float64), *window)
    expected = [
        exact[start : start + thickness].mean(axis=0) for start in range(0, slices, thickness)
    ]
    found = prepared.batch(range(len(prepared.slabs)))
    assert found.dtype == np.float32 and found.shape == (len(expected), 1, 32, 32)
    assert np.allclose(found[:, 0], expected, rtol=2e-6, atol=1e-3)
    assert np.array_equal(np.concatenate(list(prepared.batches(3))), found)
    assert np.array_equal(prepared.batch([len(expected) - 1]), found[-1:])


@pytest.mark.parametrize("window", [(-40000, -39000), (40000, 41000)])
def test_a_window_beyond_int16_is_no_crash(window: tuple[float, float]) -> None:
    volume = Volume(np.zeros((2, 32, 32), np.int16), Geometry.from_parts((2, 32, 32)))
    batch = prepare(volume, Preprocessing(window, long_side=32, crop="none", slab_mm=2.0)).batch(
        [0]
    )
    assert np.ptp(batch) == 0


def test_a_slab_is_stretched_after_its_mean() -> None:
    hu = np.stack([np.full((32, 32), value, np.int16) for value in (-1000, 0)])
    rules = Preprocessing(stretch_hu=(-600, -400), long_side=32, crop="none", slab_mm=2.0)
    prepared = prepare(Volume(hu, Geometry.from_parts(hu.shape)), rules)
    assert np.allclose(prepared.batch([0]), 0.5)


def test_slabs_are_of_the_scan_s_feet_to_head_axis() -> None:
    """A coronal scan's slabs are axial too."""
    phantom = chest((40, 64, 64), (1.0, 6.0, 6.0))
    rules = Preprocessing(slab_mm=3.0, long_side=64)
    coronal = Volume(
        np.ascontiguousarray(phantom.hu.transpose(1, 0, 2)[:, ::-1]),
        phantom.geometry.transposed((1, 0, 2), (False, True, False)),
    )
    one, other = (prepare(v, rules) for v in (Volume(phantom.hu, phantom.geometry), coronal))
    assert (one.slabs.thickness, len(one.slabs)) == (3, 14)
    assert np.array_equal(one.batch(range(14)), other.batch(range(14)))
