"""Metrics against hand calculation, SimpleITK and DeepMind's surface-distance."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.lab import metrics
from pleura.lab.evaluate import evaluate
from pleura.volume import Geometry, Mask

SPACING = (2.5, 0.9, 0.7)
EMPTY = np.zeros((4, 6, 6), dtype=bool)


def box(shape, z, y, x):
    mask = np.zeros(shape, dtype=bool)
    mask[z[0] : z[1], y[0] : y[1], x[0] : x[1]] = True
    return mask


def ellipsoid(shape, centre, radii_mm, spacing=SPACING):
    grid = np.indices(shape).astype(float)
    parts = [((grid[a] - centre[a]) * spacing[a] / radii_mm[a]) ** 2 for a in range(len(shape))]
    return sum(parts) <= 1


@pytest.fixture
def pair():
    pred = ellipsoid((24, 50, 60), (12, 25, 30), (20, 15, 14))
    ref = ellipsoid((24, 50, 60), (13, 26, 28), (22, 13, 15))
    pred[3:6, 40:44, 50:55] = True  # a false island, so that the tails differ
    return pred, ref


def itk(mask, spacing=SPACING):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    return image


def itk_surface_distances(pred, ref, spacing=SPACING):
    """LabelContour finds the borders, Maurer's distance map measures from them."""
    borders, maps = [], []
    for mask in (pred, ref):
        border = sitk.LabelContour(itk(np.pad(mask, 2), spacing), fullyConnected=False)
        distance = sitk.SignedMaurerDistanceMap(
            border, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
        )
        borders.append(sitk.GetArrayFromImage(border) > 0)
        maps.append(np.abs(sitk.GetArrayFromImage(distance)))
    return maps[1][borders[0]], maps[0][borders[1]]


def test_overlap_by_hand():
    pred = box((1, 4, 4), (0, 1), (0, 2), (0, 4))  # 8 voxels
    ref = box((1, 4, 4), (0, 1), (1, 4), (0, 4))  # 12 voxels, 4 shared
    assert metrics.dice(pred, ref) == pytest.approx(8 / 20)
    assert metrics.iou(pred, ref) == pytest.approx(4 / 16)
    assert metrics.sensitivity(pred, ref) == pytest.approx(4 / 12)
    assert metrics.precision(pred, ref) == pytest.approx(4 / 8)
    assert metrics.volume_difference_ml(pred, ref, (5.0, 10.0, 10.0)) == pytest.approx(-2.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.05, 0.95))
def test_overlap_agrees_with_simpleitk(seed, share):
    rng = np.random.default_rng(seed)
    pred, ref = rng.random((2, 5, 7, 6)) < share
    pred[0, 0, 0] = ref[0, 0, 0] = True  # SimpleITK has no answer for two empty masks
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(itk(ref), itk(pred))
    assert metrics.dice(pred, ref) == pytest.approx(measures.GetDiceCoefficient(), abs=1e-6)
    assert metrics.iou(pred, ref) == pytest.approx(measures.GetJaccardCoefficient(), abs=1e-6)


def test_surface_distances_agree_with_simpleitk(pair):
    pred, ref = pair
    ours = metrics.surface_distances(pred, ref, SPACING)
    theirs = itk_surface_distances(pred, ref)
    for mine, other in zip((ours.pred_to_ref, ours.ref_to_pred), theirs, strict=True):
        assert mine.size == other.size
        np.testing.assert_allclose(np.sort(mine), np.sort(other), atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    share=st.floats(0.02, 0.98),
    spacing=st.tuples(*[st.floats(0.4, 8.0)] * 3),
)
def test_any_surfaces_agree_with_simpleitk(seed, share, spacing):
    rng = np.random.default_rng(seed)
    pred, ref = rng.random((2, 5, 7, 6)) < share
    pred[2, 3, 3] = ref[0, 0, 0] = True
    ours = metrics.surface_distances(pred, ref, spacing)
    theirs = itk_surface_distances(pred, ref, spacing)
    for mine, other in zip((ours.pred_to_ref, ours.ref_to_pred), theirs, strict=True):
        np.testing.assert_allclose(np.sort(mine), np.sort(other), atol=1e-3)
    swapped = metrics.surface_distances(ref, pred, spacing)
    assert swapped.hd95_mm() == ours.hd95_mm() and swapped.nsd(2.0) == ours.nsd(2.0)


def test_surface_metrics_follow_from_the_distances(pair):
    pred, ref = pair
    forth, back = itk_surface_distances(pred, ref)
    pooled = np.concatenate([forth, back])
    hd95 = max(np.percentile(forth, 95), np.percentile(back, 95))
    assert metrics.hd95_mm(pred, ref, SPACING) == pytest.approx(hd95, abs=1e-3)
    assert metrics.assd_mm(pred, ref, SPACING) == pytest.approx(pooled.mean(), abs=1e-4)
    assert metrics.nsd(pred, ref, SPACING, 2.0) == pytest.approx((pooled <= 2.0).mean(), abs=1e-6)


def test_largest_distance_is_the_hausdorff_distance_of_simpleitk():
    shape = (20, 40, 40)
    pred = box(shape, (5, 12), (10, 25), (10, 25))
    ref = box(shape, (7, 16), (10, 25), (13, 31))
    distances = metrics.surface_distances(pred, ref, SPACING)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(itk(pred), itk(ref))
    ours = max(distances.pred_to_ref.max(), distances.ref_to_pred.max())
    assert ours == pytest.approx(hausdorff.GetHausdorffDistance(), abs=1e-3)


# What surface-distance 0.1 (DeepMind) gives for `fine_pair`: HD95, the directed averages, NSD.
# Its surfaces run through voxel corners, lie denser than ours and so come out nearer; both tend to
# one limit as voxels shrink (ASSD 1.25 and 1.52 at 1 mm, 1.34 and 1.50 at 0.5 mm).
DEEPMIND = {
    "hd95": 3.6055513,
    "averages": (1.4032994, 1.2823206),
    "nsd": {1.0: 0.4711921, 2.0: 0.7443313},
}


@pytest.fixture
def fine_pair():
    shape, spacing = (96, 80, 80), (0.5, 0.5, 0.5)
    pred = ellipsoid(shape, (46.0, 40.0, 40.0), (20, 15, 14), spacing)
    ref = ellipsoid(shape, (51.0, 41.8, 37.2), (22, 13, 15), spacing)
    return pred, ref, spacing


def test_surface_metrics_agree_with_deepmind_to_a_voxel(fine_pair):
    diagonal = float(np.linalg.norm(fine_pair[2]))
    assert metrics.hd95_mm(*fine_pair) == pytest.approx(DEEPMIND["hd95"], abs=diagonal)
    average = float(np.mean(DEEPMIND["averages"]))
    assert metrics.assd_mm(*fine_pair) == pytest.approx(average, abs=diagonal / 4)
    for tolerance, expected in DEEPMIND["nsd"].items():
        assert metrics.nsd(*fine_pair, tolerance) == pytest.approx(expected, abs=0.08)


def test_deepmind_values_are_those_of_the_package(fine_pair):
    package = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    pred, ref, spacing = fine_pair
    found = package.compute_surface_distances(ref, pred, spacing)
    assert package.compute_robust_hausdorff(found, 95) == pytest.approx(DEEPMIND["hd95"])
    averages = package.compute_average_surface_distance(found)
    assert averages == pytest.approx(DEEPMIND["averages"])
    for tolerance, expected in DEEPMIND["nsd"].items():
        nsd = package.compute_surface_dice_at_tolerance(found, tolerance)
        assert nsd == pytest.approx(expected)


@pytest.mark.parametrize("spacing", [(1.0, 0.7, 0.7), (2.5, 0.8, 0.6)])
def test_sides_and_lungs_agree_with_deepmind(spacing):
    """Overlap to 1e-6, surfaces to the grid's tolerance, as `pleura evaluate` reports them."""
    package = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    shape = tuple(round(n / s) for n, s in zip((60, 50, 90), spacing, strict=True))
    pred, ref = np.zeros((2, *shape), dtype=np.uint8)
    for mask, shift in ((pred, 0.0), (ref, 2.0)):
        for label, x in ((1, 22.0), (2, 66.0)):
            at = np.array([30 + shift, 25 - shift / 2, x + shift]) / spacing
            mask[ellipsoid(shape, at, (24, 18, 16 + label), spacing)] = label
    geometry = Geometry.from_parts(shape, spacing)
    found = evaluate(Mask(pred, geometry), Mask(ref, geometry))["structures"]
    diagonal = float(np.linalg.norm(spacing))
    for structure, labels in (("lungs", (1, 2)), ("right", (1,)), ("left", (2,))):
        ours = found[structure]
        theirs = [np.isin(mask, labels) for mask in (ref, pred)]
        dice = package.compute_dice_coefficient(*theirs)
        assert ours["dice"] == pytest.approx(dice, abs=1e-6)
        distances = package.compute_surface_distances(*theirs, spacing)
        hd95 = package.compute_robust_hausdorff(distances, 95)
        assert hd95 > 1.0 and ours["hd95_mm"] == pytest.approx(hd95, abs=diagonal)
        assd = np.mean(package.compute_average_surface_distance(distances))
        assert ours["assd_mm"] == pytest.approx(assd, abs=diagonal / 3)
        for tolerance in (1, 2):
            # Distances move by up to a voxel, so the share does by what lies within one.
            nearer, farther = (
                package.compute_surface_dice_at_tolerance(distances, tolerance + step)
                for step in (-diagonal, diagonal)
            )
            assert nearer <= ours[f"nsd_{tolerance}mm"] <= farther
        measures = sitk.LabelOverlapMeasuresImageFilter()
        measures.Execute(itk(theirs[1], spacing), itk(theirs[0], spacing))
        assert ours["dice"] == pytest.approx(measures.GetDiceCoefficient(), abs=1e-6)
        assert ours["iou"] == pytest.approx(measures.GetJaccardCoefficient(), abs=1e-6)
        assert ours["sensitivity"] == pytest.approx(1 - measures.GetFalseNegativeError(), abs=1e-6)
        assert ours["precision"] == pytest.approx(1 - measures.GetFalseDiscoveryRate(), abs=1e-6)
        volume = float(theirs[0].sum() * np.prod(spacing) / 1000)
        assert ours["reference_ml"] == pytest.approx(volume)


def test_concentric_spheres_are_their_radii_apart():
    inner = ellipsoid((60, 60, 60), (30, 30, 30), (20, 20, 20), (1, 1, 1))
    outer = ellipsoid((60, 60, 60), (30, 30, 30), (23, 23, 23), (1, 1, 1))
    assert metrics.hd95_mm(inner, outer, (1, 1, 1)) == pytest.approx(3.0, abs=0.5)
    assert metrics.assd_mm(inner, outer, (1, 1, 1)) == pytest.approx(3.0, abs=0.2)
    assert metrics.nsd(inner, outer, (1, 1, 1), 2.0) < 0.01
    assert metrics.nsd(inner, outer, (1, 1, 1), 4.0) == 1.0


@pytest.mark.parametrize("name", ["dice", "iou", "sensitivity", "precision"])
def test_overlap_of_empty_masks(name):
    full = ~EMPTY
    metric = getattr(metrics, name)
    assert metric(EMPTY, EMPTY) == 1.0
    assert metric(full, EMPTY) == 0.0
    assert metric(EMPTY, full) == 0.0


def test_surfaces_of_empty_masks():
    assert metrics.hd95_mm(EMPTY, EMPTY, SPACING) == 0.0
    assert metrics.assd_mm(EMPTY, EMPTY, SPACING) == 0.0
    assert metrics.nsd(EMPTY, EMPTY, SPACING, 1.0) == 1.0
    for pred, ref in ((~EMPTY, EMPTY), (EMPTY, ~EMPTY)):
        assert metrics.hd95_mm(pred, ref, SPACING) == np.inf
        assert metrics.assd_mm(pred, ref, SPACING) == np.inf
        assert metrics.nsd(pred, ref, SPACING, 1.0) == 0.0


def test_identical_masks_are_perfect(pair):
    pred, _ = pair
    assert metrics.hd95_mm(pred, pred, SPACING) == 0.0
    assert metrics.assd_mm(pred, pred, SPACING) == 0.0
    assert metrics.nsd(pred, pred, SPACING, 1.0) == 1.0
    assert metrics.seed_slice_dice(pred, pred) == 1.0


def test_mask_voxels_at_the_edge_of_the_array_are_border():
    full = np.ones((5, 6, 7), dtype=bool)
    distances = metrics.surface_distances(full, full, SPACING)
    assert distances.pred_to_ref.size == 5 * 6 * 7 - 3 * 4 * 5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_has_a_contour(axis):
    outer = np.zeros((12, 12), dtype=bool)
    inner = outer.copy()
    outer[1:11, 1:11] = True
    inner[4:8, 4:8] = True
    spacing = tuple(np.insert([1.0, 1.0], axis, 5.0))
    distances = metrics.surface_distances(
        np.expand_dims(inner, axis), np.expand_dims(outer, axis), spacing
    )
    assert distances.pred_to_ref.size == 12  # the rim of 4 x 4
    assert distances.ref_to_pred.size == 36
    assert set(distances.pred_to_ref.tolist()) == {3.0}


def test_tolerance_forgives_rounding():
    pred = box((1, 9, 9), (0, 1), (2, 5), (2, 3))
    ref = np.roll(pred, 1, axis=2)
    assert metrics.nsd(pred, ref, (1.0, 1.0, 1.0 + 1e-7), 1.0) == 1.0
    assert metrics.nsd(pred, ref, (1.0, 1.0, 1.01), 1.0) == 0.0


def test_seed_slice_dice_counts_slices_empty_in_both_as_right():
    pred, ref = np.zeros((2, 4, 3, 3), dtype=bool)
    pred[0], ref[0] = True, True  # 1
    pred[1, 0] = ref[1] = True  # 3 of 9: Dice 0.5
    pred[2, 0, 0] = True  # false positive: 0; the last slice is empty in both: 1
    assert metrics.seed_slice_dice(pred, ref) == pytest.approx((1 + 0.5 + 0 + 1) / 4)


def test_extent_excess():
    shape = (20, 4, 4)
    ref = box(shape, (5, 10), (0, 4), (0, 4))
    cases = {(6, 9): 0.0, (5, 10): 0.0, (2, 9): 7.5, (6, 14): 10.0, (4, 14): 10.0}
    for z, expected in cases.items():
        pred = box(shape, z, (0, 2), (0, 2))
        assert metrics.extent_excess_mm(pred, ref, SPACING) == pytest.approx(expected)
    nothing = np.zeros(shape, dtype=bool)
    assert metrics.extent_excess_mm(nothing, ref, SPACING) == 0.0
    assert metrics.extent_excess_mm(ref, nothing, SPACING) == pytest.approx(12.5)
