"""Learning rates by hand, optimizers by name, and the moving average."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pleura.lab.config import OPTIMIZERS, SCHEDULES, OptimizerOptions
from pleura.lab.optimizer import MovingAverage, build_optimizer, learning_rate, set_learning_rate

FLAT = OptimizerOptions(learning_rate=2.0, warmup_steps=0, final_share=0.1)


@pytest.mark.parametrize(
    ("schedule", "expected"),  # at steps 0, 250, 500 and 1000 of 1000
    [
        # 2 (0.1 + 0.9 (1 + cos(pi t)) / 2); cos(pi / 4) = 0.70711
        ("cosine", (2.0, 2 * (0.1 + 0.9 * 0.853553), 2 * 0.55, 0.2)),
        # 2 (0.1 + 0.9 (1 - t)^0.9); 0.75^0.9 = 0.77188, 0.5^0.9 = 0.53589
        ("polynomial", (2.0, 2 * (0.1 + 0.9 * 0.771883), 2 * (0.1 + 0.9 * 0.535887), 0.2)),
        ("constant", (2.0, 2.0, 2.0, 2.0)),
    ],
)
def test_schedules_by_hand(schedule, expected):
    options = replace(FLAT, schedule=schedule)
    found = [learning_rate(options, step, 1000) for step in (0, 250, 500, 1000)]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_warm_up_is_linear_and_rates_never_rise_after_it(schedule):
    options = replace(FLAT, schedule=schedule, warmup_steps=10)
    flat = replace(options, warmup_steps=0)
    for step in range(10):
        share = (step + 1) / 10
        expected = share * learning_rate(flat, step, 1000)
        assert learning_rate(options, step, 1000) == pytest.approx(expected)
    rates = [learning_rate(options, step, 1000) for step in range(9, 1000)]
    assert rates == sorted(rates, reverse=True)


def test_the_rate_is_set_in_every_group():
    parameters = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(2)]
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def first_and_second_step(kind):
    """A weight of 1 after one and two steps of rate 0.1 with gradient 2 and weight decay 0.5."""
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(1.0)
    options = OptimizerOptions(kind=kind, learning_rate=0.1, weight_decay=0.5)
    optimizer, weights = build_optimizer(network, options), []
    for _ in range(2):
        optimizer.zero_grad()
        (2 * network.weight).sum().backward()
        optimizer.step()
        weights.append(network.weight.item())
    return weights


def test_optimizers_by_hand():
    assert set(OPTIMIZERS) == {"adamw", "adam", "sgd"}
    # decay pulls the weight: 1 - 0.1 * 0.5 * 1; Adam's first steps have the size of the rate
    one = 1 - 0.05 - 0.1
    assert first_and_second_step("adamw") == pytest.approx([one, one * 0.95 - 0.1], abs=1e-6)
    # decay is part of the gradient, 2 + 0.5 * weight, which Adam's first step scales to 1
    assert first_and_second_step("adam") == pytest.approx([0.9, 0.8], abs=1e-3)
    # gradient 2.5, Nesterov: g + 0.9 v; v = 2.5, then 0.9 * 2.5 + g
    one = 1 - 0.1 * (2.5 + 0.9 * 2.5)
    gradient = 2 + 0.5 * one
    velocity = 0.9 * 2.5 + gradient
    expected = [one, one - 0.1 * (gradient + 0.9 * velocity)]
    assert first_and_second_step("sgd") == pytest.approx(expected, abs=1e-6)


def test_the_moving_average_by_hand():
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    weight, norm = network[0].weight.data, network[1]
    weight.fill_(10.0)
    average = MovingAverage(network, 0.2)
    mean = average.network[0].weight
    weight.fill_(21.0), norm.running_mean.fill_(11.0), norm.num_batches_tracked.fill_(7)
    average.update(network, 1)  # decay (1 + 1) / (10 + 1) = 2 / 11, still less than 0.2
    assert mean.item() == pytest.approx(10 * 2 / 11 + 21 * 9 / 11)
    assert average.network[1].running_mean.item() == pytest.approx(11 * 9 / 11)
    assert average.network[1].num_batches_tracked.item() == 7
    before = mean.item()
    average.update(network, 2)  # 3 / 12 is more than 0.2
    assert mean.item() == pytest.approx(0.2 * before + 0.8 * 21)
    assert weight.item() == 21 and not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
