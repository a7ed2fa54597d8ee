"""Which planes a batch gives: all four channel tuples, merged lungs, unknown channels."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from pleura.lab.losses import loss_by_name, planes_of, union_logit
from pleura.labels import CHANNEL_SETS, CHANNELS

YES, NO = True, False
ALL, SIDES, MERGED = (YES, YES, YES), (YES, YES, NO), (NO, NO, NO)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cross_entropy(p, target):
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def union(right, left):
    return 1 - (1 - sigmoid(right)) * (1 - sigmoid(left))


def item(*values, size=(2, 2)):
    """(1, channels, 2, 2) of one value a channel."""
    return torch.tensor(values).reshape(1, -1, 1, 1).expand(1, -1, *size).clone()


def bce(logits, targets, known, channels=CHANNELS):
    return loss_by_name("bce")(planes_of(logits, targets, torch.tensor(known), channels))


def as_rows(planes):
    """(logit, target, weight) of each plane of one value, sorted."""
    rows = zip(planes.logits[:, 0, 0], planes.targets[:, 0, 0], planes.weights, strict=True)
    return sorted(tuple(round(float(value), 4) for value in row) for row in rows)


@pytest.mark.parametrize("channels", CHANNEL_SETS)
def test_planes_of_every_channel_tuple(channels):
    logits = {"right": 0.5, "left": -1.0, "lungs": 0.25, "airways": 2.0}
    targets = torch.cat([item(0.5, 0.25, 0.75), item(0.75, 0.0, 0.0), item(0.75, 0.5, 0.0)])
    planes = planes_of(
        item(*(logits[name] for name in channels)).repeat(3, 1, 1, 1),
        targets,
        torch.tensor([ALL, MERGED, SIDES]),
        channels,
    )
    both = round(math.log(math.exp(0.5) + math.exp(-1) + math.exp(-0.5)), 4)
    sides = [(-1.0, 0.25, 1), (-1.0, 0.5, 1), (0.5, 0.5, 1), (0.5, 0.75, 1), (both, 0.75, 2)]
    lungs = [(0.25, 0.75, 1), (0.25, 0.75, 1), (0.25, 1.0, 1)]  # 0.75 + 0.5 is clamped to 1
    expected = (sides if "right" in channels else lungs) + [(2.0, 0.75, 1)] * (
        "airways" in channels
    )
    assert as_rows(planes) == sorted(expected)
    assert planes.logits.shape == planes.targets.shape == (len(expected), 2, 2)


@pytest.mark.parametrize("known", list(itertools.product((YES, NO), repeat=3)))
def test_unlabelled_channels_are_left_out_of_sum_and_count(known):
    x, t = (0.5, -1.0, 2.0), (0.75, 0.25, 0.5)
    total = sum(cross_entropy(sigmoid(x[i]), t[i]) for i in range(3) if known[i])
    total += 2 * cross_entropy(union(x[0], x[1]), t[0]) * (not known[0])
    count = sum(known) + 2 * (not known[0])
    assert bce(item(*x), item(*t), [known]).item() == pytest.approx(total / count, rel=1e-5)


def test_a_merged_item_weighs_like_two_sides():
    logits, targets = item(0.5, -1.0, 3.0).repeat(2, 1, 1, 1), item(1.0, 0.0, 0.0)
    channels = sum(cross_entropy(sigmoid(x), t) for x, t in ((0.5, 1), (-1, 0), (3, 0)))
    merged = 2 * cross_entropy(union(0.5, -1.0), 1)
    loss = bce(logits, targets.repeat(2, 1, 1, 1), [ALL, MERGED])
    assert loss.item() == pytest.approx((channels + merged) / (3 + 2), rel=1e-5)


def test_pixels_are_averaged():
    logits, targets = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    logits[0, 0, 0] = torch.tensor([2.0, -3.0])
    targets[0, 0, 0] = torch.tensor([1.0, 0.5])
    expected = (cross_entropy(sigmoid(2), 1) + cross_entropy(sigmoid(-3), 0.5)) / 2
    assert bce(logits, targets, [[YES, NO, NO]]).item() == pytest.approx(expected, rel=1e-6)


def test_unknown_channels_get_no_gradient():
    logits = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    bce(logits, torch.zeros(3, 3, 4, 4), [ALL, SIDES, MERGED]).backward()
    per_channel = logits.grad.abs().amax(dim=(2, 3))
    assert (per_channel == 0).tolist() == [[NO, NO, NO], [NO, NO, YES], [NO, NO, YES]]


def test_empty_slices_are_right_when_nothing_is_found():
    targets = torch.zeros(2, 3, 4, 4)
    silent = bce(torch.full((2, 3, 4, 4), -10.0), targets, [ALL, MERGED]).item()
    loud = bce(torch.full((2, 3, 4, 4), 10.0), targets, [ALL, MERGED]).item()
    assert 0 < silent < 1e-3
    # 10 for each of three channels; for the union 10 + 10, twice
    assert loud == pytest.approx((3 * 10 + 2 * 20) / 5, rel=1e-3)


def test_half_precision_logits_become_float32_planes_with_gradients():
    logits = item(0.5, -1.0, 2.0).to(torch.bfloat16).requires_grad_()  # exact in bfloat16
    targets = item(0.75, 0.25, 0.5)
    planes = planes_of(logits, targets.to(torch.bfloat16), torch.tensor([ALL]), CHANNELS)
    assert {planes.logits.dtype, planes.targets.dtype, planes.weights.dtype} == {torch.float32}
    assert not planes.weights.requires_grad and not planes.targets.requires_grad
    loss = loss_by_name("bce")(planes)
    loss.backward()
    assert loss.item() == bce(logits.detach().float(), targets, [ALL]).item()
    assert (logits.grad != 0).all() and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("right", [-6.0, -2.0, 0.0, 3.0, 8.0])
@pytest.mark.parametrize("left", [-5.0, 0.0, 1.0, 9.0])
def test_union_is_one_minus_both_outside(right, left):
    logit = union_logit(item(right, left, 0.0))
    assert logit.shape == (1, 2, 2)
    probability = torch.sigmoid(logit)[0, 0, 0].item()
    assert probability == pytest.approx(union(right, left), abs=2e-6)
    wanted = math.log(math.exp(right) + math.exp(left) + math.exp(right + left))
    assert logit[0, 0, 0].item() == pytest.approx(wanted, abs=5e-3)


@pytest.mark.parametrize("right", [-100.0, -30.0, 0.0, 30.0, 100.0])
@pytest.mark.parametrize("left", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_extreme_logits_give_finite_losses_and_gradients(right, left, target):
    logits = item(right, left, 0.0).requires_grad_()
    loss = bce(logits, item(target, 0.0, 0.0), [MERGED])
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    # the probability is right at both ends
    probability = torch.sigmoid(union_logit(logits.detach()))[0, 0, 0].item()
    assert probability == pytest.approx(union(right, left), abs=2e-6)


def test_union_gradients_push_towards_the_target():
    for target, sign in ((1.0, -1), (0.0, 1)):
        logits = item(-1.0, 0.5, 0.0).requires_grad_()
        bce(logits, item(target, 0.0, 0.0), [MERGED]).backward()
        assert (logits.grad[0, :2] * sign > 0).all()
