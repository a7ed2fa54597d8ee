"""The mask's numbers, on shapes whose numbers are known."""

from __future__ import annotations

import json
import warnings
from dataclasses import fields

import numpy as np
import pytest

from pleura.quality.measures import Measures, body_share, measure
from pleura.quality.sample import Sample
from pleura.volume import Geometry, Volume
from tests.example import lungs, mask_on
from tests.phantom import chest

PHANTOM = chest()
VOLUME = Volume(PHANTOM.hu, PHANTOM.geometry)
SAMPLE = Sample.of(VOLUME)
TRUTH = lungs(PHANTOM.labels)
MIDDLE = 20  # a slice that shows both lungs


def of(labels: np.ndarray, volume: Volume = VOLUME, sided: bool = True) -> Measures:
    sample = SAMPLE if volume is VOLUME else Sample.of(volume)
    return measure(sample, sample.labels_of(mask_on(volume, labels)), sided)


def blocks(slices: int = 24, spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)) -> Volume:
    """A body of water with two blocks of lung; nothing is noisy, so numbers are exact."""
    hu = np.full((slices, 60, 80), -1000, np.int16)
    hu[:, 5:55, 5:75] = 40
    hu[4:-4, 15:45, 15:35] = hu[4:-4, 15:45, 45:65] = -850
    return Volume(hu, Geometry.from_parts(hu.shape, spacing))


def block_labels(volume: Volume) -> np.ndarray:
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[4:-4, 15:45, 15:35], labels[4:-4, 15:45, 45:65] = 1, 2
    return labels


BLOCKS = blocks()
GOOD = block_labels(BLOCKS)


def test_a_good_mask_has_none_of_the_faults() -> None:
    found = of(GOOD, BLOCKS)
    assert found.lung_ml == pytest.approx(2 * 16 * 30 * 20 * 0.027)
    assert found.body_share == pytest.approx(2 * 30 * 20 / (50 * 70), rel=0.06)
    assert found.median_hu == -850
    assert found.proportion == pytest.approx(16 / 50)
    assert found.order == pytest.approx(1) or np.isnan(found.order)
    faults = (
        "dense", "gas", "missed", "extra", "outside", "side_conflict", "rim_dense", "rim_aerated",
        "pieces", "loose", "voids", "jump", "odd_slice", "empty_slices",
    )  # fmt: skip
    assert {name: getattr(found, name) for name in faults} == dict.fromkeys(faults, 0)
    assert np.isnan(found.edge_entropy)


def changed(change: object) -> np.ndarray:
    labels = GOOD.copy()
    change(labels)  # type: ignore[operator]
    return labels


def half_of_left_missing(labels: np.ndarray) -> None:
    labels[:, 15:30, 45:65] = 0


def into_tissue(labels: np.ndarray) -> None:
    labels[4:-4, 15:45, 35:40] = 1


def beyond_the_body(labels: np.ndarray) -> None:
    labels[4:-4, 15:45, 78:80] = 2


def left_called_right(labels: np.ndarray) -> None:
    labels[:, :, 45:55][labels[:, :, 45:55] == 2] = 1


def a_hole(labels: np.ndarray) -> None:
    labels[8:12, 20:30, 20:30] = 0


def a_piece(labels: np.ndarray) -> None:
    labels[4:10, 47:53, 50:60] = 2  # 9.7 ml
    labels[4:10, 45:47] = 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (half_of_left_missing, {"missed": 0.25, "rim_dense": 0.0}),
        (into_tissue, {"dense": 1 / 9, "missed": 0.0}),
        (beyond_the_body, {"outside": 1 / 21}),
        (left_called_right, {"side_conflict": 0.25, "missed": 0.0}),
        (a_hole, {"voids": 400 / 18800, "pieces": 0}),
        (a_piece, {"pieces": 1, "loose": 360 / 9960}),
    ],
)
def test_faults_by_hand(change: object, expected: dict[str, float]) -> None:
    found = of(changed(change), BLOCKS)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=0.03), name


def test_rims_by_hand() -> None:
    """Shrunk by a pixel, all around is lung; grown by a pixel, all of the rim is tissue."""
    lung = GOOD > 0
    for axis, by in ((1, 1), (1, -1), (2, 1), (2, -1)):
        lung = lung & (np.roll(GOOD, by, axis) == GOOD)
    assert of(np.where(lung, GOOD, 0), BLOCKS).rim_aerated == 1
    wide = np.zeros_like(GOOD)
    wide[4:-4, 14:46, 14:36], wide[4:-4, 14:46, 44:66] = 1, 2
    assert of(wide, BLOCKS).rim_dense == 1


def test_gas_and_air_that_is_no_lung() -> None:
    hu = BLOCKS.array.copy()
    hu[1:3, 20:30, 20:30] = -1000  # gas in the belly: 200 voxels, 1 % of the lungs
    volume = Volume(hu, BLOCKS.geometry)
    labels = GOOD.copy()
    assert of(labels, volume).missed == 0
    labels[1:3, 20:30, 20:30] = 1
    found = of(labels, volume)
    assert found.gas == found.extra == pytest.approx(200 / 19400)


def test_a_blank_slice_is_found_between_the_samples() -> None:
    volume = blocks(72, (1.0, 3.0, 3.0))
    labels = block_labels(volume)
    assert Sample.of(volume).steps == (3, 1, 1)
    assert of(labels, volume).empty_slices == 0
    for z in (36, 37, 38):  # of three slices only one is a sample
        blank = labels.copy()
        blank[z] = 0
        assert of(blank, volume).empty_slices == 1


def test_slices_out_of_place_and_out_of_order() -> None:
    good = of(TRUTH)
    assert good.odd_slice == 0 and good.order > 0.9 and good.jump < 0.2
    moved = TRUTH.copy()
    moved[MIDDLE] = np.roll(moved[MIDDLE], 5, axis=1)
    assert of(moved).odd_slice > 0.05
    swapped = TRUTH.copy()
    pairs = np.arange(len(TRUTH)).reshape(-1, 2)[:, ::-1].ravel()
    assert of(swapped[pairs]).order < 0.85
    cut = GOOD.copy()
    cut[:12][cut[:12] == 1] = 0  # one of two equal lungs ends: 1 - 2 * 1 / (1 + 2)
    assert of(cut, BLOCKS).jump == pytest.approx(1 / 3)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_few_slices_have_numbers_too(slices: int) -> None:
    part = slice(MIDDLE, MIDDLE + slices)
    geometry = Geometry(PHANTOM.hu[part].shape, PHANTOM.geometry.affine)
    found = of(TRUTH[part], Volume(PHANTOM.hu[part], geometry))
    assert found.empty_slices == found.odd_slice == 0
    assert found.jump < 0.1 and 0.3 < found.body_share < 0.6


def test_merged_masks_have_no_sides_to_conflict() -> None:
    merged = of((TRUTH > 0).astype(np.uint8), sided=False)
    sided = of(TRUTH)
    assert np.isnan(merged.side_conflict) and sided.side_conflict < 0.01
    # A second lung isn't a loose piece of one that is merged, but it is separate.
    for name in ("missed", "dense", "rim_dense", "voids", "order", "proportion"):
        assert getattr(merged, name) == pytest.approx(getattr(sided, name), nan_ok=True)


def test_merged_lungs_that_do_not_touch_are_no_loose_pieces() -> None:
    merged = of((GOOD > 0).astype(np.uint8), BLOCKS, sided=False)
    assert merged.pieces == 0 and merged.loose == 0


def test_one_lung_alone_has_no_proportion() -> None:
    assert np.isnan(of(np.where(TRUTH == 1, 1, 0)).proportion)


@pytest.mark.parametrize(("first", "last"), [(8, 24), (0, 16)])
def test_cut_lungs_have_no_proportion(first: int, last: int) -> None:
    part = Volume(
        np.ascontiguousarray(BLOCKS.array[first:last]),
        Geometry.from_parts((last - first, 60, 80), (3.0, 3.0, 3.0)),
    )
    assert np.isnan(of(GOOD[first:last], part).proportion)


def test_a_mask_of_everything_is_measured_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = of(np.ones_like(TRUTH))
    assert np.isnan(found.rim_dense) and np.isnan(found.rim_aerated)
    assert found.outside > 0.3 and found.dense > 0.1 and found.missed == 0


def test_body_share_alone_is_the_same() -> None:
    lung = SAMPLE.slices(SAMPLE.labels_of(mask_on(VOLUME, TRUTH))) > 0
    assert body_share(SAMPLE, lung) == of(TRUTH).body_share
    assert body_share(SAMPLE, np.zeros_like(lung)) == 0


def test_a_record_of_them_is_json_without_nan() -> None:
    record = of(np.where(TRUTH > 0, 1, 0), sided=False).to_dict()
    assert set(record) == {field.name for field in fields(Measures)}
    assert record["side_conflict"] is None and record["edge_entropy"] is None
    json.dumps(record, allow_nan=False)
    assert record["lung_ml"] == pytest.approx(of(TRUTH).lung_ml, rel=1e-4)


def test_lung_that_the_field_of_view_cuts_open_is_no_leak() -> None:
    """Without tissue around it no threshold finds it; gas there is a leak all the same."""
    through = slice(int(np.median(np.nonzero(TRUTH == 1)[2])), None)  # the right lung's middle
    hu = np.ascontiguousarray(PHANTOM.hu[:, :, through])
    volume = Volume(hu, Geometry.from_parts(hu.shape, PHANTOM.geometry.spacing_zyx_mm))
    measures = of(np.ascontiguousarray(TRUTH[:, :, through]), volume)
    assert measures.cut_open > 0.1
    assert measures.outside < 0.01
    assert np.isnan(measures.extra) and np.isnan(measures.side_conflict)


def test_a_share_of_the_body_is_at_most_all_of_it() -> None:
    """In a scan of nothing but lung no body is found."""
    hu = np.full((12, 20, 20), -850, np.int16)
    volume = Volume(hu, Geometry.from_parts(hu.shape, (10.0, 3.0, 3.0)))
    assert of(np.ones(hu.shape, np.uint8), volume).body_share == 1
