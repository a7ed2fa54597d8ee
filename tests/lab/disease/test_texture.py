"""Textures that are carried from real tissue to a lesion."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.disease import Chest, Donor, lesions_of
from pleura.lab.disease.texture import Tissue, carried
from tests.lab.disease.conftest import SPACING, slice_of


def test_carried_voxels_are_those_of_the_source():
    fine = np.arange(400, dtype=np.float32).reshape(1, 20, 20)
    inside = np.zeros(fine.shape, bool)
    inside[0, 4:16, 4:16] = True
    out = carried(fine, inside, (1, 50, 60), np.random.default_rng(0))
    assert np.isin(out, fine[inside]).mean() > 0.95  # what no piece reached has noise


def test_pieces_keep_the_grain():
    """Neighbours in the source stay neighbours but at the borders of pieces."""
    stripes = np.broadcast_to((np.arange(64) % 8 < 4) * 10.0, (1, 64, 64)).astype(np.float32)
    inside = np.ones(stripes.shape, bool)
    out = carried(stripes, inside, (1, 64, 64), np.random.default_rng(1))
    assert np.abs(np.diff(out, axis=1)).mean() < 0.5 < np.abs(np.diff(out, axis=2)).mean()


def test_without_tissue_there_is_noise():
    nothing = np.zeros((1, 64, 64), bool)
    out = carried(np.zeros((1, 64, 64), np.float32), nothing, (1, 64, 64), np.random.default_rng(0))
    assert 5 < out.std() < 40


def test_muscle_is_found_and_fat_bone_and_air_are_not():
    hu, lungs = slice_of()
    tissue = Tissue.of(hu, lungs, SPACING)
    assert tissue.level_hu == pytest.approx(42, abs=8)
    assert (hu[tissue.inside] > -40).all() and (hu[tissue.inside] < 140).all()
    assert tissue.fine[tissue.inside].std() == pytest.approx(15, rel=0.3)


def test_a_dense_lesion_is_a_donor_and_a_vessel_isn_t():
    hu, lungs = slice_of()
    assert lesions_of(hu, lungs, SPACING) == []
    y, x = (int(v) for v in np.argwhere(lungs[0])[len(np.argwhere(lungs[0])) // 2])
    sick = hu.copy()
    sick[0, y - 12 : y + 12, x - 12 : x + 12] = 60
    inside = lungs.copy()
    inside[0, y - 15 : y + 15, x - 15 : x + 15] = 1
    (donor,) = lesions_of(sick, inside, SPACING)
    assert np.median(donor.hu[donor.inside]) == pytest.approx(60 - 42, abs=8)


def test_a_donor_s_texture_is_what_a_lesion_gets():
    hu, lungs = slice_of()
    marked = Donor(np.full((1, 9, 9), 33.0, np.float32), np.ones((1, 9, 9), bool))
    chest = Chest(hu, lungs, SPACING, np.random.default_rng(0), [marked], donor_share=1.0)
    assert np.all(chest.dense_texture() == 33.0)
    own = Chest(hu, lungs, SPACING, np.random.default_rng(0), [marked], donor_share=0.0)
    assert not np.any(own.dense_texture() == 33.0)
