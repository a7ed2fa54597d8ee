"""The classical baseline on a small synthetic chest, and on one real scan."""

from __future__ import annotations

import edt
import fill_voids
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.classical import _close_and_fill, airways, classical_lungs, inner_air
from pleura.lab.evaluate import EvaluateOptions, evaluate
from pleura.lab.metrics import dice
from pleura.labels import LEFT, RIGHT
from pleura.volume import Geometry, Mask, Volume

SHAPE = (24, 80, 100)
SPACING = (5.0, 4.0, 4.0)
GEOMETRY = Geometry.from_parts(SHAPE, SPACING)


def ellipsoid(z, y, x, rz, ry, rx):
    grid = np.indices(SHAPE)
    return ((grid[0] - z) / rz) ** 2 + ((grid[1] - y) / ry) ** 2 + ((grid[2] - x) / rx) ** 2 <= 1


def chest(gap=1.0, shift=0):
    """HU and truth (1 right, 2 left): body, lungs, vessel, airways, hollow table, a gas bubble."""
    rng = np.random.default_rng(0)
    hu = np.full(SHAPE, -1000.0)
    hu[:, 70:79, 10:90] = 100
    hu[:, 71:78, 11:89] = -950
    body = ellipsoid(12, 38, 50, 200, 30, 42)
    hu[body] = 40
    right = ellipsoid(12, 38, 50 + shift - 18 * gap, 9, 20, 15)
    left = ellipsoid(12, 38, 50 + shift + 18 * gap, 9, 20, 15) & ~right
    truth = np.where(right, RIGHT, np.where(left, LEFT, 0)).astype(np.uint8)
    hu[truth > 0] = -850
    hu[:, 40:42, 30:31] = np.where(truth[:, 40:42, 30:31] > 0, 40, hu[:, 40:42, 30:31])  # vessel
    trachea = np.zeros(SHAPE, dtype=bool)
    trachea[14:, 36:40, 48:52] = True
    trachea[12:14, 37:39, 40:60] = True  # main bronchi open into the lungs
    hu[trachea & (truth == 0)] = -980
    hu[1:3, 25:28, 60:64] = -900  # gas under the diaphragm
    hu += rng.normal(0, 20, SHAPE)
    return np.rint(hu).astype(np.int16), truth


def side_dice(mask, truth):
    return [dice(mask.array == side, truth == side) for side in (RIGHT, LEFT)]


def test_sides_vessels_and_airways():
    hu, truth = chest()
    mask = classical_lungs(Volume(hu, GEOMETRY))
    assert min(side_dice(mask, truth)) > 0.97
    assert mask.array[12, 40, 30] == RIGHT  # the vessel belongs to the lung
    assert not mask.array[18:, 36:40, 48:52].any()  # the trachea doesn't
    assert not mask.array[1:3].any()  # nor does the gas
    assert not mask.array[:, 70:].any()  # nor the table


def test_scale_of_a_fifth_less_than_hu():
    hu, truth = chest()
    mask = classical_lungs(Volume((hu * 0.8).astype(np.int16), GEOMETRY))
    assert min(side_dice(mask, truth)) > 0.97


def test_lungs_that_touch_are_parted():
    hu, truth = chest(gap=0.83, shift=6)  # the midline would cut through the right lung
    assert (truth[12, 38, 55:57] > 0).all()
    assert min(side_dice(classical_lungs(Volume(hu, GEOMETRY)), truth)) > 0.97


def test_lungs_that_erosion_cannot_part_are_cut_at_the_midline():
    hu, _ = chest()
    hu[8:17, 25:50, 25:76] = -850
    mask = classical_lungs(Volume(hu, GEOMETRY)).array
    assert set(np.unique(mask[12, 38, 25:49])) == {RIGHT}
    assert set(np.unique(mask[12, 38, 52:76])) == {LEFT}


@pytest.mark.parametrize(
    ("axes", "flips"), [((0, 1, 2), (True, False, True)), ((2, 0, 1), (False, True, True))]
)
def test_sides_are_the_patients_in_any_orientation(axes, flips):
    hu, truth = chest()
    flipped = [axis for axis, flip in enumerate(flips) if flip]
    turned = np.flip(hu.transpose(axes), flipped).copy()
    geometry = GEOMETRY.transposed(axes, flips)
    mask = classical_lungs(Volume(turned, geometry))
    assert mask.geometry is geometry
    assert min(side_dice(mask, np.flip(truth.transpose(axes), flipped))) > 0.97


def test_a_single_slice_is_a_scan():
    hu, truth = chest()
    geometry = Geometry.from_parts((1, *SHAPE[1:]), SPACING)
    mask = classical_lungs(Volume(hu[11:12], geometry))
    assert min(side_dice(mask, truth[11:12])) > 0.97


@pytest.mark.parametrize("value", [-1000, 40])
def test_no_lung_gives_an_empty_mask(value):
    hu = np.full(SHAPE, value, dtype=np.int16)
    mask = classical_lungs(Volume(hu, GEOMETRY))
    assert mask.array.shape == SHAPE and not mask.array.any()


def test_air_inside_the_body_and_its_midline():
    hu, truth = chest()
    air, midline = inner_air(hu)
    assert air.dtype == bool and air.shape == SHAPE
    assert midline == pytest.approx(50, abs=0.5)
    assert air[truth > 0].mean() > 0.99
    assert air[1:3, 25:28, 60:64].all() and air[18:, 36:40, 48:52].all()  # gas, trachea
    assert not air[:, :5].any() and not air[:, 71:78].any()  # room, table
    nothing, middle = inner_air(np.full(SHAPE, -1000, dtype=np.int16))
    assert not nothing.any() and middle == 50


def test_airways_are_followed_from_the_top():
    hu, _ = chest()
    air, midline = inner_air(hu)
    found = airways(air, midline, SPACING)
    assert not (found & ~air).any()
    assert found[18:, 36:40, 48:52].all() and found[:, :, 30:40].sum() == 0
    assert not airways(air, midline - 20, SPACING)[18:].any()  # 80 mm off the midline
    assert not airways(np.zeros(SHAPE, dtype=bool), 50.0, SPACING).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.floats(0.6, 7.0), st.floats(0.6, 7.0), st.floats(0.3, 0.6))
def test_closing_is_what_distances_say(seed, dy, dx, part):
    """The disc, row by row, against two distance transforms."""
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((1, 6, 6)) < part, np.ones((1, 4, 4))).astype(bool)
    wide = np.pad(mask[0], 12)
    dilated = edt.edt(~wide, anisotropy=(dy, dx)) <= 5.0
    closed = edt.edt(dilated, anisotropy=(dy, dx)) > 5.0
    expected = fill_voids.fill(closed | wide)
    assert (np.pad(_close_and_fill(mask, (1.0, dy, dx))[0], 12) == expected).all()


@pytest.mark.parametrize("spacing", [2.5, 2.5 - 1e-9, 2.5 + 1e-9])
def test_rounding_in_a_header_does_not_change_the_closing(spacing):
    mask = np.zeros((1, 30, 30), dtype=bool)
    mask[0, 10:20, 5:12] = mask[0, 10:20, 16:25] = True  # a gap of four pixels, 10 mm
    assert _close_and_fill(mask, (1.0, spacing, spacing))[0, 14, 12:16].all()


def test_a_normal_real_scan(shared_data):
    image = nib.load(shared_data / "volumes" / "imagesTr" / "normal001.nii.gz")
    hu = np.asanyarray(image.dataobj).transpose(2, 1, 0).astype(np.int16)
    geometry = Geometry(hu.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)
    mask = classical_lungs(Volume(hu, geometry))
    reference = shared_data / "volumes" / "labelsTr" / "normal001.nii.gz"
    row = evaluate(Mask(mask.array, geometry), reference, EvaluateOptions(ref_labels="luna16"))
    assert min(metrics["dice"] for metrics in row["structures"].values()) > 0.985
