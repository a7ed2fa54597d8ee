from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pleura import Geometry, Volume
from pleura.infer.passes import BATCH, first_pass, infer, one_ahead, others_near
from pleura.model_spec import Preprocessing
from pleura.preprocess import Prepared, prepare
from pleura.resample import FloatArray

RULES = Preprocessing(long_side=64, multiple=32)


class Counting:
    """Answers each slab with its own mean; "lung" where the slab is darker than tissue."""

    name, precision, device, threads = "counting", "fp32", "cpu", 1

    def __init__(self) -> None:
        self.asked = 0
        self.largest = 0

    def __call__(self, batch: FloatArray) -> FloatArray:
        self.asked += len(batch)
        self.largest = max(self.largest, len(batch))
        lung = (batch[:, 0] < 0.4) & (batch[:, 0] > 0.05)
        lung[:, :10], lung[:, -10:], lung[:, :, :10], lung[:, :, -10:] = False, False, False, False
        return np.stack([lung, 0 * lung, 0.25 * np.ones_like(lung)], axis=1).astype(np.float32)


def body_with_lung(slices: int, lung: range, spacing: float = 3.0) -> Prepared:
    """Tissue in air, with a block of lung in some slices."""
    hu = np.full((slices, 64, 64), -1000, np.int16)
    hu[:, 8:56, 8:56] = 40
    hu[lung.start : lung.stop, 20:40, 20:40] = -800
    geometry = Geometry.from_parts(hu.shape, (spacing, 5.0, 5.0))
    return prepare(Volume(hu, geometry), RULES)


@given(st.integers(1, 500), st.floats(0.1, 30))
def test_the_first_pass_holds_both_ends_and_leaves_no_gap_of_more_than_12_mm(
    slabs: int, slab_mm: float
) -> None:
    first = first_pass(slabs, slab_mm)
    assert first[0] == 0 and first[-1] == slabs - 1 and first == sorted(set(first))
    gaps = np.diff(first)
    assert (gaps * slab_mm <= max(12.0, slab_mm) + 1e-6).all()


@given(st.integers(1, 80), st.sampled_from([1.0, 2.5, 3.0, 5.0]), st.data())
def test_all_slabs_up_to_the_next_empty_one_are_asked(
    slabs: int, slab_mm: float, data: st.DataObject
) -> None:
    first = first_pass(slabs, slab_mm)
    positive = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(first), max_size=len(first)))
    )
    others = others_near(first, positive)
    assert not set(others) & set(first)
    for slab in range(slabs):
        if slab in first:
            continue
        after = int(np.searchsorted(first, slab))
        wanted = bool(positive[after - 1] or positive[after])
        assert (slab in others) == wanted


def test_the_abdomen_is_asked_about_a_quarter_only() -> None:
    prepared, engine = body_with_lung(120, range(80, 110)), Counting()
    out, work = infer(prepared, engine, [0, 1])
    assert work.inferred == engine.asked < 120 * 0.55
    assert (work.slices, work.slabs) == (120, 120)
    assert work.pixels == work.inferred * out.shape[2] * out.shape[3]
    every = np.concatenate([Counting()(batch) for batch in prepared.batches(BATCH)])
    expected = np.rint(every[:, :2] * 255).astype(np.uint8).swapaxes(0, 1)
    np.testing.assert_array_equal(out, expected)  # nothing was lost
    assert out[0].any(axis=(1, 2))[80:110].all()


def test_every_slab_is_asked_on_request() -> None:
    engine = Counting()
    _, work = infer(body_with_lung(120, range(80, 110)), engine, [0, 1], everywhere=True)
    assert work.inferred == engine.asked == 120


def test_only_the_wanted_channels_are_kept() -> None:
    prepared = body_with_lung(4, range(1, 3))
    out, _ = infer(prepared, Counting(), [2])
    assert out.shape[0] == 1 and (out == 64).all()  # 0.25 of 255, rounded


def test_a_channel_that_is_seen_everywhere_is_asked_everywhere() -> None:
    """The airways go on above the lungs: where they are wanted, they count as seen."""
    prepared, engine = body_with_lung(60, range(20, 30)), Counting()
    infer(prepared, engine, [0, 1, 2])
    assert engine.asked == 60


def test_without_a_body_the_network_is_not_asked() -> None:
    hu = np.full((5, 64, 64), -1000, np.int16)
    hu[0, 0, 0] = -900
    prepared, engine = prepare(Volume(hu, Geometry.from_parts(hu.shape)), RULES), Counting()
    out, work = infer(prepared, engine, [0, 1])
    assert not out.any() and engine.asked == work.inferred == work.pixels == 0


def test_batches_stay_small_and_progress_ends_with_all_slices() -> None:
    prepared, engine = body_with_lung(150, range(90, 120), 1.0), Counting()
    told: list[tuple[int, int]] = []
    infer(prepared, engine, [0], lambda done, of: told.append((done, of)))
    assert engine.largest <= BATCH
    assert told[-1] == (150, 150)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {of for _, of in told} == {150}


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_one_ahead_gives_all_in_order(count: int) -> None:
    assert list(one_ahead(lambda n: n * n, list(range(count)))) == [n * n for n in range(count)]


def test_one_ahead_makes_one_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def make(item: int) -> int:
        made.append(item)
        if item == 1:
            second.set()
        return item

    stream = one_ahead(make, list(range(10)))
    assert next(stream) == 0
    assert second.wait(10)  # made while the caller has the first
    assert made == [0, 1]
    stream.close()


def test_one_ahead_passes_errors_on() -> None:
    def make(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    stream = one_ahead(make, [0, 1, 2, 3])
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(stream)
