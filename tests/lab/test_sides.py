"""Sides of lungs whose labels don't say."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.sides import (
    add_to_nearer_side,
    crossing_pieces,
    sides_from_geometry,
    sides_look_swapped,
)
from pleura.volume import Geometry, Volume
from tests.lab.small_store import small_chest, turned


@pytest.fixture
def phantom():
    return small_chest()


@pytest.mark.parametrize("transform", [lambda a, g: (a, g), turned])
def test_sides_follow_the_patient_not_the_array(phantom, transform):
    hu, geometry = transform(phantom.hu, phantom.geometry)
    labels, _ = transform(phantom.labels, phantom.geometry)
    right, left = sides_from_geometry(np.isin(labels, (1, 2)), Volume(hu, geometry))
    np.testing.assert_array_equal(right, labels == 1)
    np.testing.assert_array_equal(left, labels == 2)


def test_a_lung_may_reach_a_little_across_but_lungs_that_touch_have_no_sides(phantom):
    volume = Volume(phantom.hu, phantom.geometry)
    lungs = np.isin(phantom.labels, (1, 2))
    bridge = lungs.copy()
    bridge[3, 30:32, 20:44] = True
    assert sides_from_geometry(bridge, volume) is None
    tongue = lungs.copy()
    row = np.argwhere(phantom.labels[3] == 1)[:, 0].mean().round().astype(int)
    tongue[3, row, 20:34] = phantom.labels[3, row, 20:34] != 2
    right, _ = sides_from_geometry(tongue & ~(phantom.labels == 2), volume)
    assert (right == (tongue & ~(phantom.labels == 2))).all()
    crumb = lungs.copy()
    crumb[0, 10, 31:33] = True  # on the midline, but too small to matter
    sides = sides_from_geometry(crumb, volume)
    assert sides is not None
    assert ((sides[0] | sides[1]) == crumb).all() and not (sides[0] & sides[1]).any()


def test_only_pieces_that_cross_have_no_side(phantom):
    volume = Volume(phantom.hu, phantom.geometry)
    touching = np.zeros(phantom.labels.shape, dtype=bool)
    touching[3, 30:32, 20:44] = True
    beside = np.zeros_like(touching)
    beside[0, 30:40, 5:15] = True  # two slices from the others
    right, left, crossing = crossing_pieces(touching | beside, volume)
    np.testing.assert_array_equal(crossing, touching)
    np.testing.assert_array_equal(right, beside)
    assert not left.any()


def test_thousands_of_crumbs_each_get_their_side(phantom):
    crumbs = np.zeros(phantom.labels.shape, dtype=bool)
    crumbs[:, ::2, ::2] = True
    right, left = sides_from_geometry(crumbs, Volume(phantom.hu, phantom.geometry))
    columns = np.arange(64)
    assert (right == (crumbs & (columns < 32))).all() and (left == (crumbs & (columns >= 32))).all()


def test_infected_lung_goes_to_the_side_that_is_nearer_in_millimetres():
    shape = (5, 7, 9)
    geometry = Geometry.from_parts(shape, (1.0, 1.0, 10.0))
    right, left, lungs = (np.zeros(shape, dtype=bool) for _ in range(3))
    right[0, 3, 2] = left[4, 3, 3] = True
    lungs[:, 3, 2] = True
    add_to_nearer_side(lungs, right, left, geometry)
    # 4 mm above the right voxel, but 10 mm beside the left one: all of the column is right.
    np.testing.assert_array_equal(right[:, 3, 2], True)
    assert left.sum() == 1 and right.sum() == 5
    left[:] = False
    left[0, 0, 0] = True
    right[:] = False
    add_to_nearer_side(lungs, right, left, geometry)
    assert not right.any() and (left == (lungs | left)).all()


def test_nothing_to_place_changes_nothing():
    empty = np.zeros((2, 3, 3), dtype=bool)
    right = empty.copy()
    add_to_nearer_side(empty, right, empty.copy(), Geometry.from_parts(empty.shape))
    assert not right.any()


@pytest.mark.parametrize("transform", [lambda a, g: (a, g), turned])
def test_swapped_sides_are_seen(phantom, transform):
    labels, geometry = transform(phantom.labels, phantom.geometry)
    assert not sides_look_swapped(labels == 1, labels == 2, geometry)
    assert sides_look_swapped(labels == 2, labels == 1, geometry)
    assert not sides_look_swapped(labels == 2, labels == 9, geometry)
