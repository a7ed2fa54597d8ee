"""The store: what is written is what is read, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pleura.body import Box, body_box
from pleura.errors import OutputError, UsageError
from pleura.lab import store as store_module
from pleura.lab.store import Store, StoreGrid
from pleura.lab.store_writer import StoreWriter
from pleura.labels import CHANNELS
from pleura.preprocess import NetworkGrid
from pleura.volume import Geometry, Volume
from pleura.write.leftovers import machine
from tests.lab.small_store import (
    SHAPE,
    add,
    merged_occupancy_of,
    occupancy_of,
    one_scan_store,
    small_chest,
)
from tests.phantom import chest


@pytest.fixture
def phantom():
    return small_chest()


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_scans_of_several_sources_come_back_with_their_own_slices(tmp_path):
    first, second = small_chest(1), chest((3, 80, 72), (90.0, 5.0, 5.0), seed=2)
    with StoreWriter(tmp_path, "one") as writer:
        add(writer, first, "a", "train")
        add(writer, second, "b", "test")
    with StoreWriter(tmp_path, "two") as writer:
        add(writer, second, "c", "validation", merged=True)
    store = Store(tmp_path)
    assert [(s.name, s.patient, s.role, s.source) for s in store.scans] == [
        ("a", "a", "train", "one"),
        ("b", "b", "test", "one"),
        ("c", "c", "validation", "two"),
    ]
    a, b, c = store.scans
    assert [s.name for s in store.of_role("test")] == ["b"]
    assert (a.channels, c.channels) == (CHANNELS, ("lungs",))
    assert a.shape[0] == 6 and b.shape[0] == 3 and b.offset == a.voxels
    for scan, occupancy in (
        (a, occupancy_of(first)),
        (b, occupancy_of(second)),
        (c, merged_occupancy_of(second)),
    ):
        assert store.images(scan).shape == scan.shape
        targets = store.targets(scan)
        assert targets.shape == (scan.shape[0], 3, *scan.shape[1:])
        area = targets.sum(axis=(2, 3)).T / 255 * scan.spacing_mm[1] * scan.spacing_mm[2]
        step = 36 if scan is a else 25
        np.testing.assert_allclose(area, occupancy.sum(axis=(2, 3)) * step, rtol=0.02, atol=20)
        # lungs of the targets are dark in the image: both lie on one grid
        lungs = (targets[:, :2] == 255).any(axis=1)
        assert np.median(store.images(scan)[lungs]) == pytest.approx(-830, abs=20)
    np.testing.assert_array_equal(store.images(b, 1, 2)[0], store.images(b)[1])
    np.testing.assert_array_equal(store.targets(b, 1, 2)[0], store.targets(b)[1])


def test_a_scan_of_any_orientation_is_stored_in_the_patient_s_axes(tmp_path, phantom):
    axes, flips = (2, 0, 1), (True, False, True)
    volume = Volume(
        np.flip(phantom.hu.transpose(axes), (0, 2)), phantom.geometry.transposed(axes, flips)
    )
    occupancy = np.flip(occupancy_of(phantom).transpose(0, *(a + 1 for a in axes)), (1, 3))
    with StoreWriter(tmp_path, "turned") as writer:
        writer.add(volume, occupancy, CHANNELS, "t", "t", "train")
        add(writer, phantom, "plain", "train")
    store = Store(tmp_path)
    turned, plain = store.scans
    assert turned.shape == plain.shape
    assert turned.spacing_mm == pytest.approx(plain.spacing_mm)
    np.testing.assert_array_equal(store.images(turned), store.images(plain))
    np.testing.assert_array_equal(store.targets(turned), store.targets(plain))


def test_geometry_of_a_reduced_scan(tmp_path):
    phantom = chest((4, 200, 200), (90.0, 2.0, 2.0))
    store = one_scan_store(tmp_path, phantom, StoreGrid(long_side=100, margin=0.05))
    (scan,) = store.scans
    assert max(scan.shape[1:]) == 100
    z, y, x = scan.spacing_mm
    assert z == 90.0 and y == x
    body = body_box(phantom.hu)
    width_mm = (body.x1 - body.x0) * 2
    # the body with a twentieth on each side fills the store's longer side
    assert x * 100 == pytest.approx(width_mm * 1.1, rel=0.01)
    y0, y1, x0, x1 = scan.body
    assert (x1 - x0) * x == pytest.approx(width_mm)
    assert (y1 - y0) * y == pytest.approx((body.y1 - body.y0) * 2)
    # ... and its box lies where the stored image has its body
    found = body_box(np.ascontiguousarray(store.images(scan)))
    assert (found.y0, found.y1, found.x0, found.x1) == pytest.approx(scan.body, abs=2)


def test_a_store_is_never_finer_than_the_scan(tmp_path, phantom):
    store = one_scan_store(tmp_path, phantom, StoreGrid(long_side=5000))
    (scan,) = store.scans
    assert scan.spacing_mm == pytest.approx((45.0, 6.0, 6.0), rel=0.02)
    assert max(scan.shape[1:]) <= max(SHAPE)


def test_intensities_are_clipped_to_hu_and_outside_is_air(tmp_path, phantom):
    hu = phantom.hu.copy()
    hu[:, 30:34, 30:34] = 20000
    hu[:, :8] = -5000
    store = one_scan_store(tmp_path, replace(phantom, hu=hu))
    images = store.images(store.scans[0])
    assert images.max() == 3071 and images.min() == -1024


def test_what_lies_beyond_the_scan_s_edge_is_air(tmp_path):
    """The grid's last row reaches out of a frame whose sides don't divide."""
    phantom = chest((4, 97, 121), (90.0, 3.0, 3.0))
    hu = phantom.hu.copy()
    hu[:, :2], hu[:, -2:] = -1024, -1024
    store = one_scan_store(tmp_path, replace(phantom, hu=hu), StoreGrid(long_side=50, margin=1))
    (scan,) = store.scans
    assert scan.shape[1] * scan.spacing_mm[1] > 97 * 3 + 1
    images = store.images(scan)
    assert (images[:, [0, -1]] == -1024).all()
    assert (images[:, 5:-5, 0] < -900).all()


def test_soft_targets_keep_partial_volumes(tmp_path):
    phantom = chest((4, 200, 200), (90.0, 2.0, 2.0))
    store = one_scan_store(tmp_path, phantom, StoreGrid(long_side=90))
    targets = store.targets(store.scans[0])
    assert ((targets > 0) & (targets < 255)).sum() > 500


def test_an_error_leaves_nothing_behind(tmp_path, phantom):
    with pytest.raises(RuntimeError), StoreWriter(tmp_path / "store", "set") as writer:
        add(writer, phantom, "a", "train")
        raise RuntimeError
    assert files(tmp_path / "store") == []


def test_a_writer_without_scans_leaves_nothing_behind(tmp_path):
    with StoreWriter(tmp_path / "store", "set"):
        pass
    assert files(tmp_path / "store") == []


def test_a_source_is_replaced_only_when_its_successor_is_complete(tmp_path, phantom):
    with StoreWriter(tmp_path, "set") as writer:
        add(writer, phantom, "old", "train")
    with pytest.raises(RuntimeError), StoreWriter(tmp_path, "set") as writer:
        add(writer, phantom, "broken", "train")
        raise RuntimeError
    assert [scan.name for scan in Store(tmp_path).scans] == ["old"]
    with StoreWriter(tmp_path, "set") as writer:
        add(writer, phantom, "new", "train")
        assert [scan.name for scan in Store(tmp_path).scans] == ["old"]
    assert [scan.name for scan in Store(tmp_path).scans] == ["new"]
    assert files(tmp_path) == ["set"]


def test_a_full_disk_at_the_very_end_keeps_the_older_source(tmp_path, phantom, monkeypatch):
    with StoreWriter(tmp_path, "set") as writer:
        add(writer, phantom, "old", "train")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), StoreWriter(tmp_path, "set") as writer:
        add(writer, phantom, "new", "train")
        monkeypatch.setattr(store_module.json, "dumps", full)
    monkeypatch.undo()
    assert files(tmp_path) == ["set"]
    assert [scan.name for scan in Store(tmp_path).scans] == ["old"]


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a"])
def test_names_that_are_no_folder_of_the_store_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="--set"):
        StoreWriter(tmp_path / "store", name)


def test_a_renamed_source_goes_by_its_new_name(tmp_path, phantom):
    store = one_scan_store(tmp_path, phantom)
    expected = np.array(store.images(store.scans[0]))
    (tmp_path / "volumes").rename(tmp_path / "renamed")
    store = Store(tmp_path)
    assert store.scans[0].source == "renamed"
    np.testing.assert_array_equal(store.images(store.scans[0]), expected)


def test_no_store(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match=r"no training store; make one by `pleura prepare`"):
            Store(path)


def test_another_version_and_damage_are_refused(tmp_path, phantom):
    one_scan_store(tmp_path, phantom)
    index = tmp_path / "volumes" / "index.json"
    whole = index.read_text()
    for key, value in (("schema_version", 99), ("channels", ["left", "right", "airways"])):
        index.write_text(json.dumps({**json.loads(whole), key: value}))
        with pytest.raises(UsageError, match="another version; run `pleura prepare` again"):
            Store(tmp_path)
    for text in (whole[:100], "{}", "[]"):
        index.write_text(text)
        with pytest.raises(UsageError, match="damaged"):
            Store(tmp_path)
    index.write_text(whole)
    Store(tmp_path)
    for name in ("images.bin", "targets.bin"):
        path = tmp_path / "volumes" / name
        data = path.read_bytes()
        for damaged in (data[:-2], b""):
            path.write_bytes(damaged)
            with pytest.raises(UsageError, match="damaged"):
                Store(tmp_path)
        path.write_bytes(data)
    (tmp_path / "volumes" / "images.bin").unlink()
    with pytest.raises(UsageError, match="damaged"):
        Store(tmp_path)


@pytest.mark.parametrize("spacing", [0.7, 0.625, 0.9765625, 1.1, 3.3])
@pytest.mark.parametrize("side", [60, 96, 97, 100])
def test_a_whole_frame_at_its_own_resolution_is_kept_bit_for_bit(tmp_path, side, spacing):
    """Also where width x spacing / spacing is a little more than the width."""
    hu = np.random.default_rng(0).integers(-1024, 3071, (2, side - 7, side), dtype=np.int16)
    volume = Volume(hu, Geometry.from_parts(hu.shape, (5.0, spacing, spacing)))
    occupancy = np.zeros((3, *hu.shape), bool)
    with StoreWriter(tmp_path, "whole", StoreGrid(long_side=2000, frame="whole")) as writer:
        writer.add(volume, occupancy, CHANNELS, "a", "a", "train")
    store = Store(tmp_path)
    (scan,) = store.scans
    assert scan.shape == hu.shape and scan.whole
    assert scan.spacing_mm == pytest.approx((5.0, spacing, spacing))
    np.testing.assert_array_equal(store.images(scan), hu)


def test_frames_and_the_boxes_that_networks_see(tmp_path):
    phantom = chest((4, 160, 128), (90.0, 3.0, 3.0))
    for frame in ("body", "whole"):
        with StoreWriter(tmp_path, frame, StoreGrid(long_side=2000, frame=frame)) as writer:
            add(writer, phantom, frame, "train")
    body, whole = Store(tmp_path).scans
    assert body.shape[1] < 160 and whole.shape == (4, 160, 128)
    assert whole.box("none") == Box(0, 160, 0, 128)
    found = body_box(phantom.hu)
    for scan in (body, whole):
        box = scan.box("body")
        assert box.y1 - box.y0 == pytest.approx(found.y1 - found.y0)
        assert box.x1 - box.x0 == pytest.approx(found.x1 - found.x0)
    assert whole.box("body").y0 == pytest.approx(found.y0)
    with pytest.raises(UsageError, match="run `pleura prepare` again with --frame whole"):
        body.box("none")


def test_an_unknown_frame_is_refused(tmp_path):
    with pytest.raises(UsageError, match="frame must be one of body, whole, not 'lungs'"):
        StoreWriter(tmp_path / "store", "set", StoreGrid(frame="lungs"))


@pytest.mark.parametrize("long_side", [-3, 0, 31])
def test_too_few_pixels_are_refused(long_side):
    with pytest.raises(UsageError, match=f"must be at least 32 pixels, not {long_side}"):
        StoreGrid(long_side=long_side)
    assert StoreGrid(long_side=32).long_side == 32


def test_a_file_in_the_store_s_place_is_refused_and_kept(tmp_path):
    (tmp_path / "file").write_text("mine")
    for store, source in ((tmp_path / "file", "set"), (tmp_path, "file")):
        with pytest.raises(UsageError, match=r"file is a file; give a folder"):
            StoreWriter(store, source)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_store_from_before_frames_keeps_the_body(tmp_path, phantom):
    one_scan_store(tmp_path, phantom)
    index = tmp_path / "volumes" / "index.json"
    data = json.loads(index.read_text())
    del data["scans"][0]["whole"]
    index.write_text(json.dumps(data))
    (scan,) = Store(tmp_path).scans
    assert not scan.whole and scan.box("body") == Box(*scan.body)


@pytest.fixture
def gone():
    """The id of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_what_killed_runs_left_is_removed(tmp_path, phantom, gone):
    here = machine()
    running = os.getppid()
    stale = [f".set.partial-{here}-{gone}", f".set.older-{here}-{gone}"]
    others = [
        f".set.partial-{here}-{running}", f".set.partial-elsewhere-{gone}", f".set.partial-{gone}",
        f".settle.partial-{here}-{gone}", f"{here}-{gone}",
    ]  # fmt: skip
    for name in (*stale, *others):
        (tmp_path / name).mkdir()
    with StoreWriter(tmp_path, "set") as writer:  # the older one may be the only copy
        assert set(files(tmp_path)) >= {stale[1], *others} and stale[0] not in files(tmp_path)
        add(writer, phantom, "a", "train")
    with StoreWriter(tmp_path, "set"):
        pass
    assert files(tmp_path) == sorted(["set", *others])


def test_a_scan_that_fails_half_way_leaves_no_byte(tmp_path, phantom, monkeypatch):
    long = chest((20, 80, 72), (10.0, 5.0, 5.0), seed=3)
    whole, calls = NetworkGrid.forward, []

    def failing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 5:  # after image and targets of the first slices
            raise RuntimeError
        return whole(*arguments, **options)

    with StoreWriter(tmp_path, "set") as writer:
        add(writer, phantom, "a", "train")
        with monkeypatch.context() as patch, pytest.raises(RuntimeError):
            patch.setattr(NetworkGrid, "forward", failing)
            add(writer, long, "b", "test")
        add(writer, phantom, "c", "train")
    store = Store(tmp_path)
    a, c = store.scans
    assert (a.name, c.name, c.offset) == ("a", "c", a.voxels)
    np.testing.assert_array_equal(store.images(c), store.images(a))
    np.testing.assert_array_equal(store.targets(c), store.targets(a))


def test_a_full_disk_is_an_output_error(tmp_path, phantom):
    with pytest.raises(OutputError, match="No space left"), StoreWriter(tmp_path, "set") as writer:
        writer._images.close()
        writer._images = open("/dev/full", "wb")  # noqa: SIM115
        add(writer, phantom, "a", "train")
    assert files(tmp_path) == []
