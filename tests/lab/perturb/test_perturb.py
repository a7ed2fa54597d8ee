"""Every perturbation: deterministic, harmless at none, true to its geometry, and masks follow."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.metrics import dice
from pleura.lab.perturb import PERTURBATIONS, Perturbation, Perturbed
from pleura.preprocess import Orientation
from pleura.volume import Volume
from tests.phantom import LEFT, RIGHT, TRACHEA, Phantom, chest

BY_NAME = {one.name: one for one in PERTURBATIONS}
EVERY = pytest.mark.parametrize("one", PERTURBATIONS, ids=list(BY_NAME))
# Between lung and soft tissue, also after an offset of 200 HU, a scale of 1.2 or a sharp kernel.
MIDDLE_HU = -450


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return chest((32, 96, 100), (8.0, 4.0, 4.0), noise=5.0)


@pytest.fixture(scope="module")
def scan(phantom: Phantom) -> Volume:
    return Volume(phantom.hu, phantom.geometry)


def applied(one: Perturbation, scan: Volume, strength: float, seed: int = 0) -> Perturbed:
    return one.apply(scan, strength, np.random.default_rng(seed))


def gentle(one: Perturbation) -> float:
    """The strength nearest to none that does something to the phantom's 8 mm and 100 pixels."""
    return {"slice_thickness": 10.0, "matrix": 96.0}.get(
        one.name, min(one.strengths, key=lambda s: abs(s - one.none))
    )


def test_names_are_unique_and_speak() -> None:
    assert len(BY_NAME) == len(PERTURBATIONS)
    for one in PERTURBATIONS:
        assert one.none not in one.strengths and len(set(one.strengths)) == len(one.strengths)
        assert not one.words or len(one.words) == len(one.strengths)
    assert BY_NAME["flip"].shown(2) == "front-back"
    assert BY_NAME["scale"].shown(0.8) == "0.8"


@EVERY
def test_the_same_generator_gives_the_same_scan(one: Perturbation, scan: Volume) -> None:
    strongest = max(one.strengths, key=lambda s: abs(s - one.none))
    first, again = (applied(one, scan, strongest).volume for _ in range(2))
    assert np.array_equal(first.array, again.array)
    assert first.geometry.matches(again.geometry)


@EVERY
def test_none_changes_nothing(one: Perturbation, scan: Volume, phantom: Phantom) -> None:
    same = applied(one, scan, one.none)
    assert np.array_equal(same.volume.array, scan.array)
    assert same.volume.geometry.matches(scan.geometry)
    assert np.array_equal(same.carry(phantom.labels), phantom.labels)


@EVERY
def test_scan_and_mask_share_a_grid(one: Perturbation, scan: Volume, phantom: Phantom) -> None:
    before = scan.array.copy()
    for strength in one.strengths:
        done = applied(one, scan, strength)
        carried = done.carry(phantom.labels)
        assert done.volume.array.dtype == np.int16 and carried.dtype == phantom.labels.dtype
        assert carried.shape == done.volume.array.shape == done.volume.geometry.shape_zyx
        assert set(np.unique(carried)) <= {0, RIGHT, LEFT, TRACHEA}
        assert done.carry(phantom.labels > 0).dtype == bool
    assert np.array_equal(scan.array, before)


@EVERY
def test_the_carried_mask_lies_on_the_perturbed_lungs(
    one: Perturbation, scan: Volume, phantom: Phantom
) -> None:
    body = np.zeros(phantom.hu.shape, dtype=bool)
    body[:] = _inner(phantom)
    done = applied(one, scan, gentle(one))
    inside = done.carry(body)
    air = (done.volume.array < MIDDLE_HU) & inside
    lungs = done.carry(phantom.labels > 0) & inside
    assert dice(air, lungs) > 0.9


def _inner(phantom: Phantom) -> np.ndarray:
    """Inside the chest wall, where all air is lung or trachea."""
    _, height, width = phantom.hu.shape
    y = (np.arange(height) - (height - 1) / 2)[:, None] * phantom.geometry.spacing_zyx_mm[1]
    x = (np.arange(width) - (width - 1) / 2)[None, :] * phantom.geometry.spacing_zyx_mm[2]
    return (y / 100) ** 2 + (x / 155) ** 2 <= 1


@EVERY
def test_another_orientation_is_perturbed_alike(one: Perturbation, scan: Volume) -> None:
    """Top, bottom and sides are the patient's, whatever the order of voxels."""
    axes, flips = (2, 0, 1), (True, False, True)
    array = np.flip(scan.array.transpose(axes), [a for a in range(3) if flips[a]])
    turned = Volume(np.ascontiguousarray(array), scan.geometry.transposed(axes, flips))
    strength = one.strengths[-1]
    plain, other = applied(one, scan, strength).volume, applied(one, turned, strength).volume
    back = Orientation.of(other.geometry)
    assert np.array_equal(back.apply(other.array), plain.array)
    assert back.geometry(other.geometry).matches(plain.geometry)


@pytest.mark.parametrize("name", ["slice_thickness", "gap", "matrix", "crop_bottom", "crop_side"])
def test_what_is_left_stays_where_it_was(name: str, scan: Volume, phantom: Phantom) -> None:
    """The lungs' centre, in mm of the world, by clean and by perturbed grid."""
    one = BY_NAME[name]
    left_whole = {"crop_bottom": 10.0, "crop_side": 10.0}.get(name, gentle(one))
    done = applied(one, scan, left_whole)
    clean = _centre_mm(phantom.labels > 0, scan)
    moved = _centre_mm(done.carry(phantom.labels > 0), done.volume)
    assert np.abs(clean - moved).max() < 2.5


def _centre_mm(mask: np.ndarray, volume: Volume) -> np.ndarray:
    index = np.array([axis.mean() for axis in np.nonzero(mask)])[::-1]
    return volume.geometry.affine[:3, :3] @ index + volume.geometry.affine[:3, 3]
