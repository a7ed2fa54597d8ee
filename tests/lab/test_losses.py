"""Each loss against values worked out by hand, on empty, full and soft targets, and in sums."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.errors import UsageError
from pleura.lab.losses import LOSSES, Planes, check_loss, loss_by_name

PLAIN = ("bce", "boundary", "seed_dice", "seed_focal")
# Logits of the probabilities 1/4, 1/2, 3/4.
LOW, EVEN, HIGH = -math.log(3), 0.0, math.log(3)
# p = 3/4 3/4 1/4 1/4 against 1 1 0 0: each pixel is right by 3/4.
# sum(p) = 2, sum(t) = 2, tp = 3/2, fp = 1/2, fn = 1/2.
LUNG = ([HIGH, HIGH, LOW, LOW], [1.0, 1.0, 0.0, 0.0])
# p = 1/4 everywhere on an empty target: sum(p) = 1.
EMPTY = ([LOW] * 4, [0.0] * 4)
# p = 3/4 everywhere on a full target: sum(p) = tp = 3, sum(t) = 4, fn = 1.
FULL = ([HIGH] * 4, [1.0] * 4)
# p = 1/2 against 1/4 3/4: sum(p) = 2, sum(t) = 2, sum|p - t| = 1, so tp = fp + 1 = fn + 1 = 3/2.
SOFT = ([EVEN] * 4, [0.25, 0.75, 0.75, 0.25])


def planes(*rows, weights=None, rows_high=1):
    """Planes of `rows_high` equal rows each, from pairs (logits of a row, targets of a row)."""
    logits, targets = (
        torch.tensor([row[i] for row in rows])[:, None].repeat(1, rows_high, 1) for i in (0, 1)
    )
    return Planes(logits, targets, torch.tensor(weights or [1.0] * len(rows)))


def loss(name, *rows, **options):
    return loss_by_name(name)(planes(*rows, **options)).item()


HIT, MISS = math.log(4 / 3), math.log(4)  # cross-entropy of a pixel right by 3/4 and by 1/4
SOFT_HIT = math.log(2)  # p = 1/2, whatever the target

BY_HAND = {
    "bce": (HIT, HIT, HIT, SOFT_HIT),
    "dice": (
        1 - (2 * 1.5 + 1) / (2 + 2 + 1),  # 1/5
        1 - 1 / (1 + 1),
        1 - (2 * 3 + 1) / (3 + 4 + 1),
        1 - (2 * 1.5 + 1) / (2 + 2 + 1),
    ),
    # (1 - 3/4)^2 = 1/16; alpha 1/4 for foreground, 3/4 for background, half of the pixels each
    "focal": (
        (0.25 + 0.75) / 2 * HIT / 16,
        0.75 * HIT / 16,
        0.25 * HIT / 16,
        # t / 4 + 3 (1 - t) / 4 is 5/8 and 3/8, 1/2 on average; (1 - 1/2)^2 = 1/4
        0.5 * SOFT_HIT / 4,
    ),
    "tversky": (
        1 - (1.5 + 1) / (1.5 + 0.3 * 0.5 + 0.7 * 0.5 + 1),  # 1/6
        1 - 1 / (0.3 * 1 + 1),
        1 - (3 + 1) / (3 + 0.7 * 1 + 1),
        1 - (1.5 + 1) / (1.5 + 0.3 * 0.5 + 0.7 * 0.5 + 1),
    ),
    "focal_tversky": (
        (1 / 6) ** 0.75,
        (0.3 / 1.3) ** 0.75,
        (0.7 / 4.7) ** 0.75,
        (1 / 6) ** 0.75,
    ),
    # Three rows, so the diagonal is 5. Distances to the contour: 1.5 0.5 0.5 1.5; error 1/4.
    "boundary": (
        0.25 * (1.5 + 0.5 + 0.5 + 1.5) / 4 / 5,
        0.25,
        0.25,
        # target at 0.5 is 0 1 1 0, all four columns lie half a pixel from a contour; error 1/2
        0.5 * 0.5 / 5,
    ),
    "seed_dice": (
        1 - (2 * 1.5 + 1) / (2 + 2 + 1),
        1 - 1 / (1 + 1),
        1 - (2 * 3 + 1) / (3 + 4 + 1),
        1 - (2 * (4 * 0.25) + 1) / (2 + 2 + 1),  # sum(p * t) = 1/2 * sum(t)
    ),
    # exp(-HIT) = 3/4, exp(-SOFT_HIT) = 1/2
    "seed_focal": (0.25 * HIT / 16, 0.25 * HIT / 16, 0.25 * HIT / 16, 0.25 * SOFT_HIT / 4),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("row", "index"), [(LUNG, 0), (EMPTY, 1), (FULL, 2), (SOFT, 3)],
    ids=["lung", "empty", "full", "soft"],
)  # fmt: skip
def test_values_by_hand(name, row, index):
    rows_high = 3 if name == "boundary" else 1
    expected = BY_HAND[name][index]
    assert loss(name, row, rows_high=rows_high) == pytest.approx(expected, rel=1e-5)


def test_alpha_of_focal_weighs_the_foreground():
    wrong = [LOW], [1.0]  # p = 1/4 on foreground: (1 - 1/4)^2 = 9/16
    assert loss("focal", wrong) == pytest.approx(0.25 * 9 / 16 * MISS, rel=1e-5)
    assert loss("seed_focal", wrong) == pytest.approx(0.25 * 9 / 16 * MISS, rel=1e-5)
    false = [HIGH], [0.0]
    assert loss("focal", false) == pytest.approx(0.75 * 9 / 16 * MISS, rel=1e-5)
    assert loss("seed_focal", false) == pytest.approx(0.25 * 9 / 16 * MISS, rel=1e-5)


def test_tversky_charges_missed_lung_more_than_false_lung():
    missed = loss("tversky", ([HIGH, LOW], [1.0, 1.0]))  # tp 1, fn 1
    false = loss("tversky", ([HIGH, LOW, LOW], [1.0, 0.0, 0.0]))  # tp 3/4, fp 1/2, fn 1/4
    assert missed == pytest.approx(1 - (1 + 1) / (1 + 0.7 + 1), rel=1e-5)
    assert false == pytest.approx(1 - (0.75 + 1) / (0.75 + 0.15 + 0.175 + 1), rel=1e-5)


@pytest.mark.parametrize("name", ["bce", "dice", "focal", "tversky", "focal_tversky", "boundary"])
def test_planes_are_reduced_first_then_weighed(name):
    both = loss(name, LUNG, EMPTY, weights=[1.0, 2.0])
    assert both == pytest.approx((loss(name, LUNG) + 2 * loss(name, EMPTY)) / 3, rel=1e-5)


def test_the_seeds_forms_flatten_all_planes_and_know_no_weights():
    # sum(p * t) = 3/2, sum(p) = 2 + 1, sum(t) = 2
    dice = loss("seed_dice", LUNG, EMPTY, weights=[1.0, 2.0])
    assert dice == pytest.approx(1 - (2 * 1.5 + 1) / (3 + 2 + 1), rel=1e-5)
    focal = loss("seed_focal", SOFT, EMPTY, weights=[1.0, 2.0])
    assert focal == pytest.approx((0.25 * SOFT_HIT / 4 + 0.25 * HIT / 16) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["bce", "dice", "tversky", "focal_tversky"])
def test_soft_targets_are_met_where_the_prediction_equals_them(name):
    targets = [0.25, 0.25, 0.75, 0.75]
    right = loss(name, ([LOW, LOW, HIGH, HIGH], targets))
    for shift in (-0.5, 0.5):
        assert loss(name, ([LOW + shift, LOW - shift, HIGH, HIGH], targets)) > right
        assert loss(name, ([LOW, LOW, HIGH + shift, HIGH + shift], targets)) > right
    if name in ("dice", "tversky"):
        assert right == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_saturated_logits_give_finite_losses_and_gradients(name, logit, target):
    logits = torch.full((2, 3, 4), logit, requires_grad=True)
    value = loss_by_name(name)(Planes(logits, torch.full((2, 3, 4), target), torch.ones(2)))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()
    if target != 0.5 and logit == 200 * target - 100:  # found what there is, nothing else
        assert value.item() == pytest.approx(0, abs=5e-5)
    if target != 0.5 and logit == 100 - 200 * target:  # found the opposite
        assert value.item() > 0.2


@pytest.mark.parametrize("name", [*LOSSES, "bce+dice", "0.3*boundary+seed_focal"])
@pytest.mark.parametrize("kind", ["empty", "full", "lung", "soft"])
def test_a_step_against_the_gradient_lowers_the_loss(name, kind):
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 6, 7, generator=random, requires_grad=True)
    targets = {
        "empty": torch.zeros(3, 6, 7),
        "full": torch.ones(3, 6, 7),
        "lung": (torch.rand(3, 6, 7, generator=random) > 0.5).float(),
        "soft": torch.rand(3, 6, 7, generator=random),
    }[kind]
    compute, weights = loss_by_name(name), torch.tensor([1.0, 2.0, 1.0])
    before = compute(Planes(logits, targets, weights))
    before.backward()
    step = 0.5 * logits.grad / logits.grad.norm()
    after = compute(Planes(logits.detach() - step, targets, weights))
    assert after.item() < before.item() - 1e-4
    if kind in ("empty", "full"):  # each pixel goes the right way
        assert (logits.grad > 0).all() if kind == "empty" else (logits.grad < 0).all()


masks = st.lists(st.booleans(), min_size=20, max_size=20).map(
    lambda bits: np.array(bits).reshape(4, 5)
)
seeds = st.integers(0, 2**16)


@given(masks)
@settings(deadline=None, max_examples=40)
def test_boundary_weighs_each_pixel_by_its_distance_to_the_contour(mask):
    logits = torch.zeros(1, 4, 5, requires_grad=True)
    targets = torch.from_numpy(mask).float()[None]
    loss_by_name("boundary")(Planes(logits, targets, torch.ones(1))).backward()
    points = np.argwhere(np.ones_like(mask))
    expected = np.empty(mask.shape)
    for y, x in points:
        others = points[mask[tuple(points.T)] != mask[y, x]]
        nearest = np.min(np.hypot(*(others - (y, x)).T)) - 0.5 if len(others) else math.hypot(4, 5)
        expected[y, x] = (-1 if mask[y, x] else 1) * nearest / math.hypot(4, 5)
    # d(mean(p * phi)) / d logit = phi * p * (1 - p) / 20
    assert np.allclose(logits.grad[0].numpy(), expected / 4 / 20, atol=1e-7)


@pytest.mark.parametrize("times", [2, 8])
def test_boundary_does_not_depend_on_the_size_of_the_image(times):
    logits, targets = ([EVEN] * 8, [1.0] * 4 + [0.0] * 4)
    small = planes((logits, targets), rows_high=6)
    large = Planes(
        *(part.repeat_interleave(times, 1).repeat_interleave(times, 2)
          for part in (small.logits, small.targets)),
        small.weights,
    )  # fmt: skip
    compute = loss_by_name("boundary")
    assert compute(large).item() == pytest.approx(compute(small).item(), rel=1e-5)


def random_planes(seed):
    random = torch.Generator().manual_seed(seed)
    logits, targets = torch.randn(3, 4, 5, generator=random), torch.rand(3, 4, 5, generator=random)
    return Planes(logits, targets, torch.tensor([1.0, 2.0, 1.0]))


@pytest.mark.parametrize("name", LOSSES)
@given(seed=seeds)
@settings(deadline=None, max_examples=20)
def test_mirrored_planes_in_another_order_lose_the_same(name, seed):
    given_planes, compute = random_planes(seed), loss_by_name(name)
    turned = Planes(
        given_planes.logits.flip(0, 1).contiguous(),
        given_planes.targets.flip(0, 1).contiguous(),
        given_planes.weights.flip(0),
    )
    assert compute(turned).item() == pytest.approx(compute(given_planes).item(), rel=1e-4)


@pytest.mark.parametrize("name", ["bce", "boundary", "seed_focal"])
@given(seed=seeds)
@settings(deadline=None, max_examples=20)
def test_foreground_and_background_may_change_places(name, seed):
    given_planes, compute = random_planes(seed), loss_by_name(name)
    swapped = Planes(-given_planes.logits, 1 - given_planes.targets, given_planes.weights)
    assert compute(swapped).item() == pytest.approx(compute(given_planes).item(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("bce+dice", {"bce": 1, "dice": 1}),
        ("0.5*bce+0.25*dice", {"bce": 0.5, "dice": 0.25}),
        ("2*seed_focal", {"seed_focal": 2}),
        ("bce+0.01*boundary+tversky", {"bce": 1, "boundary": 0.01, "tversky": 1}),
    ],
)
def test_sums_are_the_sums_of_their_parts(name, weights):
    check_loss(name)
    expected = sum(weight * loss(part, LUNG, SOFT) for part, weight in weights.items())
    assert loss(name, LUNG, SOFT) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("l2", r"^Unknown loss 'l2'; choose one of bce, dice,.*, seed_focal, or a sum"),
        ("", r"^Unknown loss '';"),
        ("bce+", r"^Unknown loss '' in 'bce\+';"),
        ("bce + dice", r"^Unknown loss 'bce ' in 'bce \+ dice';"),
        ("bce+dise", r"^Unknown loss 'dise' in 'bce\+dise';"),
        ("BCE", r"^Unknown loss 'BCE';"),
        ("bce*0.5", r"^Unknown loss '0.5' in 'bce\*0.5';"),
        ("-1*bce", r"^Bad weight '-1' of the loss 'bce' in '-1\*bce'; write a number above 0"),
        ("0*bce+dice", r"^Bad weight '0' of the loss 'bce'"),
        ("0.0*bce", r"^Bad weight '0.0'"),
        ("nan*bce", r"^Bad weight 'nan'"),
        ("1e3*bce", r"^Bad weight '1e3'"),
        ("*bce", r"^Bad weight ''"),
        ("2*3*bce", r"^Bad weight '2\*3'"),
    ],
)
def test_names_that_cannot_be_read_get_one_sentence(name, message):
    for read in (check_loss, loss_by_name):
        with pytest.raises(UsageError, match=message) as error:
            read(name)
        assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_without_monai_its_losses_name_the_extra_and_the_others_work(monkeypatch):
    monkeypatch.delitem(sys.modules, "monai.losses", raising=False)
    monkeypatch.setitem(sys.modules, "monai", None)  # import raises ModuleNotFoundError
    for name in LOSSES:
        check_loss(name)
        if name in PLAIN:
            assert math.isfinite(loss(name, LUNG))
        else:
            with pytest.raises(UsageError, match=r"'monai.*pip install 'pleura\[lab\]'"):
                loss_by_name(f"bce+{name}")
