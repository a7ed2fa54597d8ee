"""The coarse sample: which voxels it takes, in any orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.quality.sample import Sample
from pleura.volume import Geometry, Volume
from tests.example import mask_on
from tests.grids import ORDERS
from tests.phantom import chest


def numbered(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    """Every voxel has a number of its own."""
    hu = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    return Volume(hu, Geometry.from_parts(shape, spacing, (7.0, -8.0, 9.0)))


def place(affine: np.ndarray, zyx: tuple[int, ...]) -> np.ndarray:
    """World position of a voxel."""
    return affine[:3, :3] @ zyx[::-1] + affine[:3, 3]


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 20)] * 3), st.tuples(*[st.floats(0.4, 9.0)] * 3),
    st.sampled_from(ORDERS),
)  # fmt: skip
def test_a_samples_place_is_its_voxels(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], order: tuple
) -> None:
    axes, flips = order
    volume = numbered(shape, spacing)
    along = [axis for axis, flip in enumerate(flips) if flip]
    stored = np.ascontiguousarray(np.flip(volume.array.transpose(axes), along))
    sample = Sample.of(Volume(stored, volume.geometry.transposed(axes, flips)))
    assert np.allclose(sample.geometry.direction_lps, np.eye(3))
    for corner in {(0, 0, 0), tuple(n - 1 for n in sample.hu.shape)}:
        true = np.unravel_index(int(sample.hu[corner]), shape)
        assert np.allclose(
            place(sample.geometry.affine, corner), place(volume.geometry.affine, true), atol=1e-6
        )


def test_fine_voxels_are_thinned_and_wide_ones_kept() -> None:
    sample = Sample.of(numbered((9, 10, 11), (1.0, 0.7, 5.0)))
    assert sample.steps == (3, 4, 1)
    assert sample.hu.shape == (3, 2, 11)
    assert np.allclose(sample.spacing, (3.0, 2.8, 5.0))
    assert sample.length_mm == pytest.approx(9.0) and sample.slices_in_scan == 9
    assert sample.voxel_ml == pytest.approx(3.0 * 2.8 * 5.0 / 1000)


def test_a_single_slice_is_sampled() -> None:
    sample = Sample.of(numbered((1, 8, 8), (1.0, 1.0, 1.0)))
    assert sample.hu.shape == (1, 3, 3) and sample.length_mm == pytest.approx(1.0)


def test_a_mask_keeps_all_slices_and_shows_those_that_were_sampled() -> None:
    volume = numbered((10, 12, 12), (1.0, 1.0, 1.0))
    sample = Sample.of(volume)
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[4] = 1
    thin = sample.labels_of(mask_on(volume, labels))
    assert thin.shape == (10, 4, 4) and np.flatnonzero(thin.any(axis=(1, 2))).tolist() == [4]
    assert sample.slices(thin).shape == sample.hu.shape
    assert np.flatnonzero(sample.slices(thin).any(axis=(1, 2))).tolist() == [1]  # slices 1, 4, 7
    assert (sample.slices(volume.array)[:, 1::3, 1::3] == sample.hu).all()


def test_the_bodys_width_without_the_table() -> None:
    phantom = chest()
    sample = Sample.of(Volume(phantom.hu, phantom.geometry))
    assert sample.body_width_mm == pytest.approx(330, abs=10)  # the table is 360 wide
    assert sample.box.x0 < 64 < sample.box.x1
    air = Sample.of(Volume(np.full((3, 9, 9), -1000, np.int16), Geometry.from_parts((3, 9, 9))))
    assert np.isnan(air.body_width_mm)


def test_the_second_opinion_knows_both_sides() -> None:
    phantom = chest()
    sample = Sample.of(Volume(phantom.hu, phantom.geometry))
    for side in (1, 2):
        found, true = sample.classical == side, phantom.labels == side
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.98
