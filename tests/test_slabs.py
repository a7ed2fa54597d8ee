"""Slabs cover each slice once, and their values come back linear between slabs' centres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pleura.slabs import Slabs

SLABS = st.builds(
    lambda slices, thickness: Slabs(slices, min(thickness, slices)),
    st.integers(1, 60), st.integers(1, 9),
)  # fmt: skip


@st.composite
def slabs_and_some(draw: st.DrawFn) -> tuple[Slabs, int, int]:
    """Slabs, and the first of some neighbours and the one after the last."""
    slabs = draw(SLABS)
    first = draw(st.integers(0, len(slabs) - 1))
    return slabs, first, draw(st.integers(first + 1, len(slabs)))


def centres(slabs: Slabs) -> np.ndarray:
    """Where the middle of each slab lies, in slices; slice k spans [k, k + 1)."""
    return np.array([sum(slabs.bounds(index)) / 2 for index in range(len(slabs))])


def restored(slabs: Slabs, values: np.ndarray, first: int, last: int) -> np.ndarray:
    weights, used = slabs.restoring(first, last)
    return weights @ values[used]


@pytest.mark.parametrize(
    ("spacing_mm", "slab_mm", "thickness"),
    [
        (1.0, 3.0, 3), (0.99999, 3.0, 3), (1.00001, 3.0, 3), (1.25, 3.0, 2), (1.5, 3.0, 2),
        (1.6, 3.0, 1), (2.5, 3.0, 1), (3.0, 3.0, 1), (10.0, 3.0, 1), (0.5, 3.0, 6), (0.7, 3.0, 4),
        (0.625, 2.5, 4), (1.0, 0.0, 1), (0.1, 0.0, 1),
    ],
)  # fmt: skip
def test_as_many_whole_slices_as_fit(spacing_mm: float, slab_mm: float, thickness: int) -> None:
    assert Slabs.of(100, spacing_mm, slab_mm).thickness == thickness


def test_a_slab_holds_no_more_slices_than_there_are() -> None:
    slabs = Slabs.of(2, 0.5, 3.0)
    assert (slabs.thickness, len(slabs), slabs.bounds(0)) == (2, 1, (0, 2))


@given(SLABS)
def test_each_slice_lies_in_one_slab_in_order(slabs: Slabs) -> None:
    bounds = [slabs.bounds(index) for index in range(len(slabs))]
    assert [z for start, stop in bounds for z in range(start, stop)] == list(range(slabs.slices))
    assert all(stop - start == slabs.thickness for start, stop in bounds[:-1])
    assert 1 <= bounds[-1][1] - bounds[-1][0] <= slabs.thickness


@given(slabs_and_some())
def test_weights_are_a_mean_of_neighbouring_slabs(case: tuple[Slabs, int, int]) -> None:
    slabs, first, last = case
    weights, used = slabs.restoring(first, last)
    assert weights.dtype == np.float32
    slices = slabs.bounds(last - 1)[1] - slabs.bounds(first)[0]
    assert weights.shape == (slices, used.stop - used.start)
    assert 0 <= used.start <= first and last <= used.stop <= len(slabs)
    assert (weights >= 0).all() and np.allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert ((weights > 0).sum(axis=1) <= 2).all()


@given(slabs_and_some())
def test_a_slice_in_the_middle_of_its_slab_takes_it_alone(case: tuple[Slabs, int, int]) -> None:
    slabs, first, last = case
    weights, used = slabs.restoring(first, last)
    odd = [i for i in range(first, last) if sum(slabs.bounds(i)) % 2 == 1]
    assume(odd)
    for index in odd:
        row = weights[sum(slabs.bounds(index)) // 2 - slabs.bounds(first)[0]]
        assert row[index - used.start] == 1 and row.sum() == 1


@given(slabs_and_some(), st.integers(1, 8))
def test_blocks_are_restored_as_all_at_once(case: tuple[Slabs, int, int], block: int) -> None:
    slabs, first, last = case
    values = np.random.default_rng(0).random((len(slabs), 2), dtype=np.float32)
    start, stop = slabs.bounds(first)[0], slabs.bounds(last - 1)[1]
    expected = restored(slabs, values, 0, len(slabs))[start:stop]
    parts = [restored(slabs, values, at, min(at + block, last)) for at in range(first, last, block)]
    assert np.allclose(np.concatenate(parts), expected, atol=1e-6)


@given(SLABS, st.floats(-3, 3))
def test_a_ramp_comes_back_between_the_outermost_centres(slabs: Slabs, slope: float) -> None:
    line = slope * (np.arange(slabs.slices) + 0.5)
    means = np.array([line[slice(*slabs.bounds(index))].mean() for index in range(len(slabs))])
    lowest, *_, highest = (*centres(slabs), centres(slabs)[-1])
    expected = slope * np.clip(np.arange(slabs.slices) + 0.5, lowest, highest)  # beyond: held
    assert np.allclose(restored(slabs, means, 0, len(slabs)), expected, atol=1e-4)
