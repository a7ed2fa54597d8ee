"""Batches: repeatable, oriented, and what inference sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pleura.errors import UsageError
from pleura.lab.augment import AugmentOptions
from pleura.lab.config import TrainConfig
from pleura.lab.dataset import SamplingOptions, TrainingSlices, scaled
from pleura.lab.store import Store, StoreGrid
from pleura.lab.store_writer import StoreWriter
from pleura.lab.whole_scan import WholeScan, grid_of, known_channels
from pleura.labels import CHANNELS
from pleura.model_spec import Preprocessing
from pleura.preprocess import normalise, prepare
from pleura.volume import Volume
from tests.lab.small_store import add, one_scan_store, small_chest, training_store
from tests.lab.tiny import SAMPLING, STILL, slices_of, whole
from tests.phantom import chest

FINE = StoreGrid(long_side=2000)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return training_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def fine(tmp_path_factory):
    """Three slices of 1 mm pixels at full resolution; only the middle one has lungs."""
    phantom = chest((3, 400, 400), (145.0, 1.0, 1.0), noise=3.0)
    assert np.isin(phantom.labels, (1, 2)).any(axis=(1, 2)).tolist() == [False, True, False]
    return phantom, one_scan_store(tmp_path_factory.mktemp("fine"), phantom, FINE)


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def centroid(mask):
    return np.array([np.average(i, weights=mask) for i in np.indices(mask.shape)])


def test_a_draw_depends_on_seed_and_step_only(store):
    slices = slices_of(store, augment=AugmentOptions(), seed=3)
    slices.draw(0), slices.draw(1)
    late = slices.draw(5)
    fresh = slices_of(store, augment=AugmentOptions(), seed=3).draw(5)
    assert all(torch.equal(a, b) for a, b in zip(late, fresh, strict=True))
    assert not torch.equal(late[0], slices.draw(6)[0])
    assert not torch.equal(late[0], slices_of(store, augment=AugmentOptions(), seed=4).draw(5)[0])


def test_one_slice_is_augmented_anew_at_each_step(fine):
    sampling = replace(SAMPLING, batch_size=2, empty_share=0)
    one, two = (slices_of(fine[1], sampling, AugmentOptions()).draw(step) for step in (1, 2))
    assert not torch.equal(one[1][0], two[1][0])
    assert not torch.equal(one[1][0], one[1][1])


def test_a_draw_does_not_touch_the_global_generators(store):
    torch.manual_seed(0), np.random.seed(0)
    expected = torch.rand(1), np.random.random()
    torch.manual_seed(0), np.random.seed(0)
    slices_of(store, augment=AugmentOptions()).draw(0)
    assert (torch.rand(1), np.random.random()) == expected


def test_shapes_types_and_ranges(store):
    images, targets, known = slices_of(store, augment=AugmentOptions()).draw(0)
    assert images.shape == (6, 1, 64, 64) and images.dtype == torch.float32
    assert targets.shape == (6, 3, 64, 64) and known.shape == (6, 3)
    assert images.min() >= 0 and images.max() <= 1
    assert targets.min() >= 0 and targets.max() <= 1
    assert known.dtype == torch.bool


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_right_lung_is_on_the_image_s_left_mirrored_or_not(store, mirror):
    sampling = replace(SAMPLING, weights={"volumes": 1.0})
    slices = slices_of(store, sampling, replace(STILL, mirror=mirror))
    images, targets, known = slices.draw(0)
    assert known.all()
    columns = torch.arange(64.0)
    mass = targets.sum(dim=2)
    middle = (mass * columns).sum(dim=2) / mass.sum(dim=2).clamp(min=1e-6)
    both = (mass.sum(dim=2)[:, :2] > 50).all(dim=1)
    assert both.any()
    assert (middle[both, 0] < 30).all() and (middle[both, 1] > 34).all()
    # and the lungs of the targets are the dark places of the image
    lungs = targets[:, :2].sum(dim=1) > 0.99
    assert images[:, 0][lungs].mean() < 0.25


def test_a_mirrored_draw_is_the_mirror_image_of_the_plain_one(store):
    sampling = replace(SAMPLING, weights={"volumes": 1.0})
    plain = slices_of(store, sampling, STILL).draw(0)
    mirrored = slices_of(store, sampling, replace(STILL, mirror=1.0)).draw(0)
    torch.testing.assert_close(mirrored[0], plain[0].flip(3), atol=2e-3, rtol=0)
    sides_swapped = plain[1][:, [1, 0, 2]].flip(3)
    torch.testing.assert_close(mirrored[1], sides_swapped, atol=2e-3, rtol=0)


def test_merged_lungs_stay_in_the_first_channel_when_mirrored(store):
    sampling = replace(SAMPLING, weights={"slices": 1.0})
    _, targets, known = slices_of(store, sampling, replace(STILL, mirror=1.0)).draw(0)
    assert not known.any()
    assert targets[:, 0].sum() > 0 and targets[:, 1:].sum() == 0


def test_known_channels_are_those_that_the_labels_name(store):
    known = {scan.name: known_channels(scan).tolist() for scan in store.scans}
    assert known == {"s0": [False] * 3, "v0": [True] * 3, "v1": [True] * 3, "v2": [True] * 3}
    sides_only = replace(store.scans[0], channels=CHANNELS[:2])
    assert known_channels(sides_only).tolist() == [True, True, False]


def test_weights_share_sources_and_leave_others_out(store):
    def table(weights, empty_share=0.5):
        sampling = replace(SAMPLING, weights=weights, empty_share=empty_share)
        slices = slices_of(store, sampling)
        rows = zip(slices._slices, slices._probability, strict=True)
        return [(scan, z, probability) for (scan, z), probability in rows]

    shares = {"volumes": 0.0, "slices": 0.0}
    for scan, _, probability in table({"volumes": 3.0, "slices": 1.0}):
        shares[scan.source] += probability
    assert shares == pytest.approx({"volumes": 0.75, "slices": 0.25})
    assert {scan.source for scan, _, _ in table({"slices": 1.0})} == {"slices"}
    assert {scan.role for scan, _, _ in table(None)} == {"train"}


def test_scans_of_a_source_weigh_alike_and_without_weights_by_slices(tmp_path):
    with StoreWriter(tmp_path, "volumes") as writer:
        add(writer, chest((3, 64, 64), (45.0, 6.0, 6.0)), "short", "train")  # all with lung
        add(writer, small_chest(), "long", "train")
    store = Store(tmp_path)
    for weights, expected in (({"volumes": 1.0}, 1 / 2), (None, 1 / 3), ({}, 1 / 3)):
        slices = slices_of(store, replace(SAMPLING, weights=weights))
        assert slices._probability[:3].sum() == pytest.approx(expected)


def test_empty_slices_get_their_share(tmp_path):
    phantom = chest((10, 64, 64), (45.0, 6.0, 6.0))  # the outer slices hold no lung
    store = one_scan_store(tmp_path, phantom)
    empty = [not (phantom.labels[z] % 3).any() for z in range(10)]
    assert 0 < sum(empty) < 9
    for share in (0.0, 0.3):
        slices = slices_of(store, replace(SAMPLING, empty_share=share))
        of_empty = slices._probability[np.array(empty)]
        assert of_empty.sum() == pytest.approx(share)
        assert np.ptp(of_empty) == pytest.approx(0)


def test_no_scans_and_sources_that_are_not_there_are_refused(store):
    with pytest.raises(UsageError, match="no training scan of the wanted sources"):
        TrainingSlices(store, list(store.of_role("test")), TrainConfig())
    with pytest.raises(UsageError, match=r"no source 'volums'.*slices, volumes"):
        slices_of(store, replace(SAMPLING, weights={"volums": 1.0, "slices": 1.0}))


@pytest.mark.parametrize("scaling", ["unit", "none"])
def test_a_whole_scan_is_what_inference_makes_of_the_volume(tmp_path, scaling):
    phantom = chest((4, 160, 160), (60.0, 2.5, 2.5), noise=3.0)
    rules = Preprocessing(window_hu=(-1000, 400), scaling=scaling, long_side=96)
    store = one_scan_store(tmp_path, phantom, FINE)
    images, found_targets = whole(store, rules)
    prepared = prepare(Volume(phantom.hu, phantom.geometry), rules)
    expected = np.concatenate(list(prepared.batches(3)))
    assert images.shape == expected.shape
    span = 1 if scaling == "unit" else 1400
    difference = np.abs(images.numpy() - expected) / span
    # Resampled twice instead of once, so edges are a little softer, but nothing moves.
    assert difference.mean() < 0.005 and np.quantile(difference, 0.999) < 0.15
    for found, wanted in zip(images.numpy()[:, 0], expected[:, 0], strict=True):
        assert found.mean() / span == pytest.approx(wanted.mean() / span, abs=1e-3)
        dark_found, dark_wanted = found.max() - found, wanted.max() - wanted
        assert np.abs(centroid(dark_found) - centroid(dark_wanted)).max() < 0.03  # pixels
    targets = np.stack([prepared.grid.forward(phantom.labels == n) for n in (1, 2, 3)], axis=1)
    assert np.abs(found_targets.numpy() - targets).mean() < 0.002


def test_a_whole_scan_comes_in_batches_of_the_same_numbers(tmp_path):
    """As all slices at once were made, bit for bit."""
    phantom = chest((35, 96, 80), (9.0, 4.0, 4.0), noise=20.0)
    store = one_scan_store(tmp_path, phantom, FINE)
    scan, rules = store.scans[0], Preprocessing(long_side=64)
    grid = grid_of(scan, rules)
    batches = list(WholeScan(store, scan, rules).batches(16))
    assert [len(images) for images, _ in batches] == [16, 16, 3]
    images, targets = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
    np.testing.assert_array_equal(images[:, 0], normalise(grid, store.images(scan), rules))
    np.testing.assert_array_equal(targets, grid.forward(store.targets(scan)) / np.float32(255))


def test_targets_are_areas_and_come_back_better_than_nearest_neighbours(fine):
    phantom, store = fine
    rules = Preprocessing(long_side=128)
    _, targets = whole(store, rules)
    grid = prepare(Volume(phantom.hu, phantom.geometry), rules).grid
    for channel, label in ((0, 1), (1, 2)):
        mask = phantom.labels == label
        soft = targets[:, channel].numpy()
        assert soft.sum() * grid.pixel_mm**2 == pytest.approx(mask.sum(), rel=0.01)
        assert dice(grid.restore(soft) >= 0.5, mask) > 0.995
        hard = grid.restore((soft >= 0.5).astype(np.float32))
        assert dice(grid.restore(soft) >= 0.5, mask) > dice(hard >= 0.5, mask)


def test_an_unaugmented_draw_agrees_with_the_whole_scan(fine):
    _, store = fine
    rules = Preprocessing(long_side=96)
    whole_images, whole_targets = whole(store, rules)
    canvas = tuple(whole_images.shape[2:])
    sampling = SamplingOptions(batch_size=2, canvas=canvas, empty_share=0)
    images, targets, _ = slices_of(store, sampling, rules=rules).draw(0)
    for channel in (0, 1):
        drawn, expected = targets[1, channel].numpy(), whole_targets[1, channel].numpy()
        assert drawn.sum() == pytest.approx(expected.sum(), rel=0.01)
        assert np.abs(centroid(drawn) - centroid(expected)).max() < 0.1  # pixels
    assert (images[1] - whole_images[1]).abs().mean() < 0.01
    assert torch.equal(images[0], images[1])


def test_a_body_taller_than_the_canvas_allows_decides_by_its_height(tmp_path, fine):
    phantom, _ = fine
    turned = replace(
        phantom, hu=phantom.hu.transpose(0, 2, 1), labels=phantom.labels.transpose(0, 2, 1)
    )
    store = one_scan_store(tmp_path, turned)
    sampling = SamplingOptions(batch_size=1, canvas=(64, 96), empty_share=0)
    _, targets, _ = slices_of(store, sampling).draw(0)
    _, whole_targets = whole(store)
    lungs, expected = targets[0, :2].sum().item(), whole_targets[1, :2].sum().item()
    assert lungs == pytest.approx(expected, rel=0.02)


def test_outside_the_stored_frame_is_air(store):
    slices = slices_of(store, replace(SAMPLING, canvas=(64, 160)))
    images, targets, _ = slices.draw(0)
    assert images[:, :, :, :5].max() == 0 and targets[:, :, :, :5].max() == 0


def test_scaling_follows_the_rules():
    images = torch.tensor([-2000.0, -1024.0, -212.0, 600.0, 3000.0])
    assert scaled(images, Preprocessing()).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    kept = scaled(images, Preprocessing(scaling="none"))
    assert kept.tolist() == [-1024.0, -1024.0, -212.0, 600.0, 600.0]
