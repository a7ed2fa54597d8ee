"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from pleura.errors import UsageError
from pleura.lab.losses import loss_by_name, masked_bce, union_logit

YES, NO = True, False
ALL, SIDES, MERGED = (YES, YES, YES), (YES, YES, NO), (NO, NO, NO)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def bce(p, target):
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def item(*values, size=(2, 2)):
    """(1, channels, 2, 2) of one value a channel."""
    return torch.tensor(values).reshape(1, -1, 1, 1).expand(1, -1, *size).clone()


def test_all_channels_known_is_the_plain_mean():
    logits, targets = item(0.5, -1.0, 2.0), item(1.0, 0.25, 0.0)
    expected = (bce(sigmoid(0.5), 1) + bce(sigmoid(-1), 0.25) + bce(sigmoid(2), 0)) / 3
    loss = masked_bce(logits, targets, torch.tensor([ALL]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_an_unlabelled_channel_is_left_out_of_sum_and_count():
    logits, targets = item(0.5, -1.0, 20.0), item(1.0, 0.25, 0.0)
    expected = (bce(sigmoid(0.5), 1) + bce(sigmoid(-1), 0.25)) / 2
    loss = masked_bce(logits, targets, torch.tensor([SIDES]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_merged_lungs_are_compared_by_their_union():
    logits, targets = item(0.5, -1.0, 3.0), item(0.75, 0.0, 0.0)
    union = 1 - (1 - sigmoid(0.5)) * (1 - sigmoid(-1.0))
    loss = masked_bce(logits, targets, torch.tensor([MERGED]))
    assert loss.item() == pytest.approx(bce(union, 0.75), rel=1e-5)


def test_a_merged_item_weighs_like_two_sides():
    logits, targets = item(0.5, -1.0, 3.0).repeat(2, 1, 1, 1), item(1.0, 0.0, 0.0)
    union = 1 - (1 - sigmoid(0.5)) * (1 - sigmoid(-1.0))
    channels = bce(sigmoid(0.5), 1) + bce(sigmoid(-1), 0) + bce(sigmoid(3), 0)
    loss = masked_bce(logits, targets.repeat(2, 1, 1, 1), torch.tensor([ALL, MERGED]))
    assert loss.item() == pytest.approx((channels + 2 * bce(union, 1)) / (3 + 2), rel=1e-5)


def test_pixels_are_averaged():
    logits = torch.zeros(1, 3, 1, 2)
    logits[0, 0, 0] = torch.tensor([2.0, -3.0])
    targets = torch.zeros(1, 3, 1, 2)
    targets[0, 0, 0] = torch.tensor([1.0, 0.5])
    expected = (bce(sigmoid(2), 1) + bce(sigmoid(-3), 0.5)) / 2
    loss = masked_bce(logits, targets, torch.tensor([[YES, NO, NO]]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_unknown_channels_get_no_gradient():
    logits = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    masked_bce(logits, torch.zeros(3, 3, 4, 4), torch.tensor([ALL, SIDES, MERGED])).backward()
    per_channel = logits.grad.abs().amax(dim=(2, 3))
    assert (per_channel == 0).tolist() == [[NO, NO, NO], [NO, NO, YES], [NO, NO, YES]]


def test_empty_slices_are_right_when_nothing_is_found():
    targets, known = torch.zeros(2, 3, 4, 4), torch.tensor([ALL, MERGED])
    silent = masked_bce(torch.full((2, 3, 4, 4), -10.0), targets, known).item()
    loud = masked_bce(torch.full((2, 3, 4, 4), 10.0), targets, known).item()
    assert 0 < silent < 1e-3
    # 10 for each of three channels; for the union 10 + 10, twice
    assert loud == pytest.approx((3 * 10 + 2 * 20) / 5, rel=1e-3)


def test_one_channel_is_plain_cross_entropy_whatever_is_known():
    loss = masked_bce(item(0.5), item(0.25), torch.tensor([MERGED]))
    assert loss.item() == pytest.approx(bce(sigmoid(0.5), 0.25), rel=1e-6)


@pytest.mark.parametrize("right", [-6.0, -2.0, 0.0, 3.0, 8.0])
@pytest.mark.parametrize("left", [-5.0, 0.0, 1.0, 9.0])
def test_union_is_one_minus_both_outside(right, left):
    expected = 1 - (1 - sigmoid(right)) * (1 - sigmoid(left))
    logit = union_logit(item(right, left, 0.0))
    assert logit.shape == (1, 2, 2)
    assert torch.sigmoid(logit)[0, 0, 0].item() == pytest.approx(expected, abs=2e-6)
    wanted = math.log(math.exp(right) + math.exp(left) + math.exp(right + left))
    assert logit[0, 0, 0].item() == pytest.approx(wanted, abs=5e-3)


@pytest.mark.parametrize("right", [-100.0, -30.0, 0.0, 30.0, 100.0])
@pytest.mark.parametrize("left", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_extreme_logits_give_finite_losses_and_gradients(right, left, target):
    logits = item(right, left, 0.0).requires_grad_()
    loss = masked_bce(logits, item(target, 0.0, 0.0), torch.tensor([MERGED]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    # the probability is right at both ends
    expected = 1 - (1 - sigmoid(right)) * (1 - sigmoid(left))
    union = torch.sigmoid(union_logit(logits.detach()))[0, 0, 0].item()
    assert union == pytest.approx(expected, abs=2e-6)


def test_union_gradients_push_towards_the_target():
    for target, sign in ((1.0, -1), (0.0, 1)):
        logits = item(-1.0, 0.5, 0.0).requires_grad_()
        masked_bce(logits, item(target, 0.0, 0.0), torch.tensor([MERGED])).backward()
        assert (logits.grad[0, :2] * sign > 0).all()


def test_unknown_loss_names_the_known_ones():
    assert loss_by_name("bce") is masked_bce
    with pytest.raises(UsageError, match=r"'dice'.*bce"):
        loss_by_name("dice")
