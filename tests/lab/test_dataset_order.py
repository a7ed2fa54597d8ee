"""Slices in order, and without augmentation: training sees what inference sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pleura.errors import UsageError
from pleura.lab.augment import AugmentOptions
from pleura.lab.dataset import SamplingOptions, centred
from pleura.lab.store import StoreGrid
from pleura.model_spec import Preprocessing
from pleura.preprocess import prepare
from pleura.volume import Volume
from tests.lab.small_store import one_scan_store, training_store
from tests.lab.tiny import SAMPLING, STILL, slices_of, whole
from tests.phantom import chest


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return training_store(tmp_path_factory.mktemp("store"))


def test_in_order_each_pass_shows_each_slice_once_in_a_new_order(store):
    """18 slices in batches of 5: the fourth has the 3 that are left."""
    sampling = replace(SAMPLING, batch_size=5, weights={"volumes": 0.01, "slices": 0.99})
    slices = slices_of(store, sampling, in_order=True, seed=2)
    assert slices.steps_per_pass == 4
    orders = []
    for number in range(3):
        steps = [slices._in_order(step).tolist() for step in range(4 * number, 4 * number + 4)]
        assert [len(step) for step in steps] == [5, 5, 5, 3]
        orders.append([index for step in steps for index in step])
        assert sorted(orders[-1]) == list(range(18))
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] != sorted(orders[0])
    other_seed = slices_of(store, sampling, in_order=True, seed=3)
    assert orders[0][:5] != other_seed._in_order(0).tolist()


def test_in_order_the_batches_are_those_slices(store):
    sampling = replace(SAMPLING, batch_size=7)
    plain = AugmentOptions(enabled=False)
    slices = slices_of(store, sampling, plain, in_order=True)
    seen = torch.cat([slices.draw(step)[0] for step in range(slices.steps_per_pass)])
    scans = (n for n, scan in enumerate(store.scans) if scan.role == "train")
    images = torch.cat([whole(store, number=number)[0] for number in scans])
    ours = {image.numpy().tobytes() for image in seen}
    margin = (64 - images.shape[2]) // 2
    assert len(seen) == len(ours) == 18
    wanted = {centred(image, (64, 64), 0.0).numpy().tobytes() for image in images}
    assert margin >= 0 and ours == wanted


def test_slices_as_they_come_without_a_share_of_empty_ones(tmp_path):
    store = one_scan_store(tmp_path, chest((10, 64, 64), (45.0, 6.0, 6.0)))
    slices = slices_of(store, replace(SAMPLING, empty_share=-1))
    assert slices._probability == pytest.approx(np.full(10, 0.1))


@pytest.mark.parametrize(("have", "want"), [((4, 6), (8, 8)), ((8, 6), (8, 6)), ((3, 8), (6, 8))])
def test_centred_pads_evenly(have, want):
    plane = torch.arange(1.0, 1 + have[0] * have[1]).reshape(1, *have)
    out = centred(plane, want, -1.0)
    assert out.shape == (1, *want)
    top, left = ((w - h) // 2 for h, w in zip(have, want, strict=True))
    for y in range(want[0]):
        for x in range(want[1]):
            inside = 0 <= y - top < have[0] and 0 <= x - left < have[1]
            expected = plane[0, y - top, x - left] if inside else -1.0
            assert out[0, y, x] == expected


# What training without augmentation sees is what inference sees, pixel for pixel.
INPUTS = [
    Preprocessing(long_side=64, crop=crop, **kind)
    for crop in ("none", "body")
    for kind in (
        {"scaling": "unit"},
        {"scaling": "none", "window_hu": (-1000, 400)},
        {"scaling": "unit", "stretch_hu": (-600, 200)},
        {"scaling": "none", "stretch_hu": (-600, 200)},
    )
]


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Whole slices at their own resolution, 96 x 80, in a store that rounds nothing."""
    phantom = chest((4, 96, 80), (60.0, 4.0, 4.0), noise=20.0)
    grid = StoreGrid(long_side=2000, frame="whole")
    store = one_scan_store(tmp_path_factory.mktemp("native"), phantom, grid)
    np.testing.assert_array_equal(store.images(store.scans[0]), phantom.hu)
    return phantom, store


@pytest.mark.parametrize("rules", INPUTS, ids=str)
def test_training_without_augmentation_sees_what_inference_sees(native, rules):
    phantom, store = native
    prepared = prepare(Volume(phantom.hu, phantom.geometry), rules)
    expected = torch.from_numpy(np.concatenate(list(prepared.batches(4))))
    canvas = tuple(expected.shape[2:])
    sampling = SamplingOptions(batch_size=4, canvas=canvas)
    slices = slices_of(store, sampling, AugmentOptions(enabled=False), rules=rules, in_order=True)
    images, targets, known = slices.draw(0)
    order = torch.from_numpy(slices._in_order(0))
    span = float(expected.max() - expected.min())
    assert span > 0.9 * {"unit": 1, "none": 255 if rules.stretch_hu else 1100}[rules.scaling]
    torch.testing.assert_close(images, expected[order], atol=1e-5 * span, rtol=0)
    for channel, label in enumerate((1, 2, 3)):
        wanted = torch.from_numpy(prepared.grid.forward(phantom.labels == label))[order]
        torch.testing.assert_close(targets[:, channel], wanted, atol=1e-5, rtol=0)
    assert known.all()


def test_a_canvas_larger_than_the_grid_is_filled_with_air(native):
    for kind in ({"scaling": "none"}, {"scaling": "none", "stretch_hu": (-600, 200)}, {}):
        rules = Preprocessing(window_hu=(-900, 400), long_side=64, crop="none", **kind)
        sampling = SamplingOptions(batch_size=4, canvas=(96, 96))
        slices = slices_of(native[1], sampling, AugmentOptions(enabled=False), rules=rules)
        images, targets, _ = slices.draw(0)
        outside = torch.cat([images[:, :, :16], images[:, :, -16:]], dim=2)
        assert (outside == rules.scaled(np.float32(-900))).all()
        assert not targets[:, :, :16].any() and targets.any()


def test_a_whole_slice_of_the_network_s_size_is_untouched(tmp_path):
    """As the seed study has it: 512 x 512 HU, clipped, and nothing else."""
    phantom = chest((2, 512, 512), (145.0, 0.7, 0.7), noise=20.0)
    rules = Preprocessing(scaling="none", long_side=512, crop="none")
    store = one_scan_store(tmp_path, phantom, StoreGrid(long_side=512, frame="whole"))
    sampling = SamplingOptions(batch_size=2, canvas=(512, 512))
    slices = slices_of(store, sampling, AugmentOptions(enabled=False), rules=rules, in_order=True)
    images, targets, _ = slices.draw(0)
    order = slices._in_order(0)
    clipped = np.clip(phantom.hu[order], -1024, 600)
    np.testing.assert_array_equal(images[:, 0].numpy(), clipped)
    np.testing.assert_array_equal(targets[:, 0].numpy(), phantom.labels[order] == 1)
    prepared = prepare(Volume(phantom.hu, phantom.geometry), rules)
    np.testing.assert_array_equal(next(prepared.batches(2))[order][:, 0], clipped)


def test_whole_slices_need_a_store_of_whole_slices(store, native):
    rules = Preprocessing(long_side=64, crop="none")
    with pytest.raises(UsageError, match=r"only the body of '\w\d'; run .*--frame whole"):
        slices_of(store, rules=rules)
    slices_of(native[1], rules=rules)


def test_augmented_crops_of_a_whole_frame_show_the_whole_frame(native):
    """The canvas holds the field of view, or the body, with every range at 0."""
    _, store = native
    for crop in ("none", "body"):
        rules = Preprocessing(long_side=96, crop=crop)
        sampling = SamplingOptions(batch_size=4, canvas=(96, 96))
        drawn = slices_of(store, sampling, STILL, rules=rules, in_order=True).draw(0)
        plain = AugmentOptions(enabled=False)
        still = slices_of(store, sampling, plain, rules=rules, in_order=True).draw(0)
        assert (drawn[0] - still[0]).abs().mean() < 0.02
        assert drawn[1].sum() == pytest.approx(float(still[1].sum()), rel=0.01)


def test_slices_larger_than_the_canvas_are_refused_without_augmentation(native):
    plain, rules = AugmentOptions(enabled=False), Preprocessing(long_side=96, crop="none")
    sampling = SamplingOptions(batch_size=4, canvas=(64, 96))
    expected = r"'a' take 96 x 96 pixels .* sampling\.canvas has \(64 x 96\); make it larger\.$"
    with pytest.raises(UsageError, match=expected):
        slices_of(native[1], sampling, plain, rules=rules)
    slices_of(native[1], sampling, STILL, rules=rules)  # it fits the box into the canvas


def test_slices_in_order_need_no_look_at_all_targets(store, monkeypatch):
    monkeypatch.setattr(type(store), "targets", None)
    assert slices_of(store, in_order=True).steps_per_pass == 3
    with pytest.raises(TypeError):
        slices_of(store)


def test_more_slices_a_batch_than_there_are_are_refused_in_order(store):
    large = replace(SAMPLING, batch_size=19)
    with pytest.raises(UsageError, match=r"has 18 training slices, fewer than .*batch_size \(19\)"):
        slices_of(store, large, in_order=True)
    assert len(slices_of(store, large).draw(0)[0]) == 19  # with replacement


def test_a_store_coarser_than_the_network_s_grid_is_refused(tmp_path):
    phantom, rules = chest((2, 96, 96), (145.0, 4.0, 4.0)), Preprocessing(long_side=64)
    coarse = one_scan_store(tmp_path / "coarse", phantom, StoreGrid(long_side=48))
    with pytest.raises(UsageError, match=r"keeps 48 pixels .* of 'a', fewer than .*long_side \(64"):
        slices_of(coarse, rules=rules)
    slices_of(one_scan_store(tmp_path / "fine", phantom, StoreGrid(long_side=64)), rules=rules)
    small = chest((2, 40, 40), (145.0, 10.0, 10.0))  # coarse by itself, not by the store
    slices_of(one_scan_store(tmp_path / "small", small, StoreGrid(long_side=48)), rules=rules)
