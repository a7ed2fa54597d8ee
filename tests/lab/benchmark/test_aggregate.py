"""Medians and ratios of known numbers."""

from __future__ import annotations

import pytest

from pleura.lab.benchmark.aggregate import (
    ColdRun,
    Outcome,
    Spread,
    WarmRun,
    median_stages,
    paired_ratio,
    ratios,
    unpaired_ratio,
    with_rest,
)


def cold(*walls: float, post: float = 0.0) -> tuple[ColdRun, ...]:
    return tuple(
        ColdRun(number, wall, wall, 100.0, {"postprocess": post})
        for number, wall in enumerate(walls, 1)
    )


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert Spread.of([4.0, 1.0]) == Spread(2.5, 1.0, 4.0, 2)
    assert Spread.of([]) is None
    assert Spread(1.23456, 1.0, 2.0, 3).record() == {"median": 1.235, "min": 1, "max": 2, "n": 3}


def test_paired_ratios_take_rounds_that_both_have() -> None:
    slow_round = {1: 20.0, 2: 60.0, 3: 20.0}
    assert paired_ratio(slow_round, {1: 2.0, 2: 6.0, 3: 2.0}) == Spread(10.0, 10.0, 10.0, 3)
    assert paired_ratio(slow_round, {2: 3.0}) == Spread(20.0, 20.0, 20.0, 1)
    assert paired_ratio(slow_round, {}) is None


def test_unpaired_ratios_have_the_widest_range() -> None:
    assert unpaired_ratio([10, 12, 20], [2, 4]) == Spread(4.0, 2.5, 10.0, 2)
    assert unpaired_ratio([], [1.0]) is None and unpaired_ratio([1.0], []) is None


def test_all_ratios() -> None:
    warm = WarmRun(50.0, (40.0, 44.0), ({"postprocess": 20.0}, {"postprocess": 24.0}), 900.0)
    outcomes = {
        "floor": Outcome("floor", "floor", cold(1.0, 1.0, 2.0)),
        "pleura": Outcome(
            "pleura", "pleura", cold(2.0, 3.0, 4.0), WarmRun(2.0, (1.0,), ({},), 300.0)
        ),
        "lungmask": Outcome("lungmask", "lungmask", cold(100.0, 90.0, post=60.0), warm),
    }
    found = ratios(outcomes)
    assert found == {
        "pleura_to_floor": Spread(2.0, 2.0, 3.0, 3),
        "lungmask_to_pleura": Spread(40.0, 30.0, 50.0, 2),
        "lungmask_without_postprocessing_to_pleura": Spread(15.0, 10.0, 20.0, 2),
        "warm_lungmask_to_pleura": Spread(42.0, 40.0, 44.0, 1),
        "warm_lungmask_without_postprocessing_to_pleura": Spread(20.0, 20.0, 20.0, 1),
    }
    del outcomes["lungmask"]
    alone = ratios(outcomes)
    assert alone.keys() == found.keys()
    assert [name for name, ratio in alone.items() if ratio] == ["pleura_to_floor"]


def test_stages() -> None:
    runs = [{"read": 1.0, "write": 5.0}, {"read": 3.0}, {"read": 2.0, "write": 1.0}]
    assert median_stages(runs) == {"read": 2.0, "write": 1.0}
    assert median_stages([]) == {}
    rest = with_rest({"read": 1.0, "other": 9.0, "write": 0.5}, 2.0)
    assert rest == {"read": 1.0, "write": 0.5, "other": pytest.approx(0.5)}
    assert with_rest({"read": 1.0}, 0.9)["other"] == 0.0  # two clocks
