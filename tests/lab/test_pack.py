"""Packed stores: what comes back, how far off, and what a damaged file says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pleura.errors import OutputError, UsageError
from pleura.lab import run_folder
from pleura.lab.dataset import TrainingSlices
from pleura.lab.pack import codec, packer
from pleura.lab.pack import file as packed_file
from pleura.lab.pack.reduce import STEPS_HU, Reduction, noise_hu
from pleura.lab.store import Scan, Store
from pleura.lab.store_writer import StoreWriter
from pleura.lab.train import train
from tests.lab.small_store import SHAPE, add, one_scan_store, small_chest, training_store
from tests.lab.tiny import STILL, tiny_config
from tests.phantom import chest

HU = arrays(
    np.int16,
    st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9)),
    elements=st.integers(-1024, 3071),
)
SCAN = Scan(
    "a", "a", "train", "s", 0, (50, 64, 64), (2.0, 1.0, 1.0), (0.0, 64.0, 0.0, 64.0), ("lungs",)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train, validation and test, with sides and without."""
    path = tmp_path_factory.mktemp("stores") / "store"
    training_store(path)
    with StoreWriter(path, "held_out") as writer:
        add(writer, small_chest(9), "t0", "test")
        add(writer, small_chest(8), "t1", "train")
    return path


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    packer.pack_store(folder, tmp_path / "data.pleura-store")
    return tmp_path / "data.pleura-store"


@settings(max_examples=40, deadline=None)
@given(hu=HU, step=st.sampled_from(STEPS_HU))
def test_hu_come_back_within_half_a_step(hu: np.ndarray, step: int) -> None:
    levels = codec.levels_of(hu, step)
    counts = codec.slices_in(len(hu))
    back = [codec.slices_of(p, n) for p, n in zip(codec.pictures(levels), counts, strict=True)]
    found = codec.hu_of(np.concatenate(back), step)
    assert found.shape == hu.shape and found.dtype == np.int16
    highest = -1024 + 255 * step  # what a step can say
    assert np.abs(found - np.minimum(hu, highest).astype(int)).max() <= step / 2
    assert (found[hu == -1024] == -1024).all()


@settings(max_examples=40, deadline=None)
@given(
    targets=arrays(
        np.uint8, st.tuples(st.integers(1, 4), st.just(3), st.integers(1, 9), st.integers(1, 9))
    )
)
def test_occupancies_come_back_and_their_ends_exactly(targets: np.ndarray) -> None:
    n, _, h, w = targets.shape
    part = codec.squeezed(codec.occupancy_levels(targets))
    found = codec.occupancy_of(codec.unsqueezed(part, (n, h, w)))
    assert found.shape == targets.shape and found.dtype == np.uint8
    assert np.abs(found.astype(int) - targets).max() <= 8
    assert (found[targets == 0] == 0).all() and (found[targets == 255] == 255).all()


def test_scans_survive_but_for_the_test_role(folder: Path, packed: Path) -> None:
    before, after = Store(folder), Store(packed)
    kept = [scan for scan in before.scans if scan.role != "test"]
    assert [replace(scan, offset=0) for scan in after.scans] == [
        replace(scan, offset=0) for scan in kept
    ]
    for old, new in zip(kept, after.scans, strict=True):
        assert np.abs(after.images(new) - before.images(old).astype(int)).max() <= 16
        assert np.abs(after.targets(new) - before.targets(old).astype(int)).max() <= 8
    assert after.path == packed
    with_test = packed.with_name("all.pleura-store")
    packer.pack_store(folder, with_test, packer.PackOptions(roles=packer.ROLES))
    assert run_folder.split_hash(Store(with_test)) == run_folder.split_hash(before)


def test_the_same_store_gives_the_same_bytes(folder: Path, packed: Path, tmp_path: Path) -> None:
    packer.pack_store(folder, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == packed.read_bytes()


def test_coarser_slices_keep_the_patient_in_place(tmp_path: Path) -> None:
    store = one_scan_store(tmp_path / "store", small_chest())
    (old,) = store.scans
    options = packer.PackOptions(long_side=32)
    packer.pack_store(tmp_path / "store", tmp_path / "file", options)
    after = Store(tmp_path / "file")
    (new,) = after.scans
    assert max(new.shape[1:]) == 32 and new.shape[0] == old.shape[0]
    assert after.long_sides == {"volumes": 32}
    share = old.spacing_mm[1] / new.spacing_mm[1]
    for side, length in ((0, 1), (2, 3)):
        size_old, size_new = ((b[length] - b[side]) for b in (old.body, new.body))
        assert size_new == pytest.approx(size_old * share)
    area_old = store.targets(old).sum(dtype=float) * old.spacing_mm[1] ** 2
    area_new = after.targets(new).sum(dtype=float) * new.spacing_mm[1] ** 2
    assert area_new == pytest.approx(area_old, rel=0.01)
    assert (after.images(new) == -1024).any()


def test_steps_follow_the_noise_and_slices_their_distance() -> None:
    fine, coarse = Reduction(288), Reduction(288, 32, 4.0)
    assert [fine.step_hu(noise) for noise in (0, 100)] == [16, 16]
    assert [coarse.step_hu(noise) for noise in (0, 6.9, 7, 9.2, 9.3)] == [16, 16, 24, 24, 32]
    thick, single = replace(SCAN, spacing_mm=(2.5, 1, 1)), replace(SCAN, shape=(1, 64, 64))
    assert [coarse.every(scan) for scan in (SCAN, thick, single)] == [2, 1, 1]
    assert fine.every(SCAN) == 1


@pytest.mark.parametrize("noise", [5.0, 20.0])
def test_noise_is_measured_among_edges(tmp_path: Path, noise: float) -> None:
    phantom = chest(SHAPE, (45.0, 6.0, 6.0), seed=3)
    clean = one_scan_store(tmp_path / "clean", phantom)
    base = noise_hu(clean, clean.scans[0], 288)
    added = np.random.default_rng(1).normal(0, noise, phantom.hu.shape).round().astype(np.int16)
    noisy = one_scan_store(tmp_path / "noisy", replace(phantom, hu=phantom.hu + added))
    found = noise_hu(noisy, noisy.scans[0], 288)
    assert found == pytest.approx(np.hypot(base, noise), rel=0.25)


def test_the_limit_is_kept_by_giving_up_more(tmp_path: Path) -> None:
    phantom = chest((40, 64, 64), (2.0, 6.0, 6.0), seed=1)
    one_scan_store(tmp_path / "store", phantom)
    free = packer.pack_store(tmp_path / "store", tmp_path / "free")
    assert free.reduction == Reduction(288) and free.sources[0].slices == 40
    limit = free.mib * 0.55
    report = packer.pack_store(tmp_path / "store", tmp_path / "small", packer.PackOptions(limit))
    size = (tmp_path / "small").stat().st_size
    assert size <= limit * packer.MIB and report.mib == size / packer.MIB
    assert report.reduction.slice_mm and report.sources[0].slices < 40
    (scan,) = Store(tmp_path / "small").scans
    assert scan.shape[0] * scan.spacing_mm[0] == pytest.approx(80, rel=0.1)
    with pytest.raises(UsageError, match="MiB at least, more than --max-mib"):
        packer.pack_store(tmp_path / "store", tmp_path / "none", packer.PackOptions(1e-4))
    assert not (tmp_path / "none").exists()


def test_wrong_wishes_are_refused(folder: Path, tmp_path: Path) -> None:
    for wish in ({"max_mib": 0}, {"long_side": 31}, {"roles": ("trian",)}):
        with pytest.raises(UsageError):
            packer.PackOptions(**wish)
    with pytest.raises(UsageError, match="no scan with the role"):
        packer.pack_store(folder, tmp_path / "file", packer.PackOptions(roles=()))
    with pytest.raises(UsageError, match="is a folder; name a file"):
        packer.pack_store(folder, tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other version", "garbage", "empty"])
def test_damaged_files_are_one_sentence(packed: Path, damage: str) -> None:
    data = bytearray(packed.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    elif damage == "other version":
        data[len(packed_file.MAGIC) - 2] ^= 1
    sizes = {"cut": len(data) - 9, "empty": 0}
    packed.write_bytes(b"garbage" if damage == "garbage" else data[: sizes.get(damage, len(data))])
    before = sorted(packed.parent.iterdir())
    with pytest.raises(UsageError, match=r"data\.pleura-store is .*; .*\.$"):
        Store(packed)
    assert sorted(packed.parent.iterdir()) == before


def test_a_whole_file_with_wrong_content_is_damaged_too(packed: Path) -> None:
    header = {"sources": {"../out": {"index": {}, "packed": []}}}
    packed.write_bytes(packed_file.packed_bytes(header, []))
    with pytest.raises(UsageError, match="damaged"):
        Store(packed)
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


def test_it_is_unpacked_once(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = packed_file.unpacked(packed)
    assert folder.parent == packed.parent and folder.name.startswith(".data.pleura-store.unpacked-")
    monkeypatch.setattr(packed_file, "_unpack_to", None)
    assert packed_file.unpacked(packed) == folder


def test_another_process_may_be_first(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(self: Path, target: Path) -> Path:
        (target / "volumes").mkdir(parents=True)
        raise OSError("not empty")

    monkeypatch.setattr(Path, "rename", taken)
    assert packed_file.unpacked(packed).is_dir()


def test_a_place_that_cannot_be_written_is_left_for_a_temporary_one(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = packed_file.temporary_folder

    def refused(parent: Path, prefix: str):
        if parent == packed.parent:
            raise PermissionError(13, "Permission denied")
        return original(parent, prefix)

    monkeypatch.setattr(packed_file, "temporary_folder", refused)
    assert not packed_file.unpacked(packed).is_relative_to(packed.parent)
    assert len(Store(packed).scans) == 5

    def full(parent: Path, prefix: str):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed_file, "temporary_folder", full)
    with pytest.raises(OutputError, match="No space left on device"):
        Store(packed)


def test_training_takes_the_file_as_it_takes_the_folder(
    narrow_network: None, folder: Path, packed: Path, tmp_path: Path
) -> None:
    config, batches = tiny_config(packed, steps=2, steps_per_epoch=1), []
    for store in (Store(folder), Store(packed)):
        still = replace(config, augment=STILL)
        batches.append(TrainingSlices(store, list(store.of_role("train")), still).draw(0))
    plain, small = batches
    assert [t.shape for t in small] == [t.shape for t in plain]
    assert float((small[0] - plain[0]).abs().max()) <= 0.5 * 16 / 1624 + 1e-5
    run = tmp_path / "run"
    state = train(config, run)
    assert state["step"] == 2
    machine = run_folder.read_record(run)["machine"]
    assert machine["cpu"] and machine["cores"] >= 1
    cost = json.loads((run / "cost.json").read_text())
    assert cost["machine"] == machine and cost["slices"] == 2 * 2
    assert cost["seconds"] == run_folder.read_metrics(run)[-1]["seconds"]
    assert cost["slices_per_second"] * cost["seconds"] == pytest.approx(4)
    assert json.loads((run / "config.json").read_text())["config"]["store"] == str(packed)
