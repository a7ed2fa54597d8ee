"""Every number of a tiny study, worked out by hand.

Row "Net" has two seeds, "Rule" isn't trained. Dice of the test scans of set "v":

    scan (patient)   s1 (p1)   s2 (p1)   s3 (p2)   s4 (p3)    s5 (p2), without lung
    Net, seed 1      0.9       0.8       0.6       0.5        -
    Net, seed 2      1.0       0.8       0.4       error      -
    Net              0.95      0.8       0.5       left out
    Rule             0.9       0.9       0.7       0.0
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pleura.lab.statistics import bootstrap_interval, holm, paired_wilcoxon
from pleura.lab.study.aggregate import ALL_SETS, aggregate
from pleura.lab.study.scores import ScanScore, StudyRecord
from tests.lab.study.fake_record import tiny_study


def _study(scores: list[ScanScore], reference: str = "Rule") -> StudyRecord:
    return StudyRecord("t", ("Net", "Rule"), reference, tuple(scores))


def _scores(row: str, dices: list[float], set_: str = "v") -> list[ScanScore]:
    return [
        ScanScore(row, None, set_, f"{set_}{i}", f"{set_}-p{i}", "test", dice=dice)
        for i, dice in enumerate(dices)
    ]


def test_seeds_then_scans_then_patients_are_averaged() -> None:
    net = aggregate(tiny_study()).cells["Net", "v", "test"]

    assert net.patients == pytest.approx({"p1": 0.875, "p2": 0.5})
    assert net.dice == pytest.approx(0.6875)  # of patients; of scans it would be 0.75
    assert net.seed_means == pytest.approx({1: 0.725, 2: 0.65})
    assert net.seed_range == pytest.approx(0.075)
    assert net.interval is None
    assert net.worst and (net.worst.name, net.worst.dice) == ("s3", pytest.approx(0.5))


def test_what_is_left_out_is_counted() -> None:
    cells = aggregate(tiny_study()).cells
    net, rule = cells["Net", "v", "test"], cells["Rule", "v", "test"]

    assert ([scan.name for scan in net.scored], net.failed) == (["s1", "s2", "s3"], 1)
    assert (len(rule.scored), rule.failed) == (4, 0)
    assert (net.no_lung, net.kept_empty) == (1, 0)  # seed 2 found lung where there is none
    assert (rule.no_lung, rule.kept_empty) == (1, 1)


def test_a_scan_without_lung_counts_in_the_seeds_metric_only() -> None:
    net = aggregate(tiny_study()).cells["Net", "v", "test"]

    # p1: (0.8 + 0.6) / 2; p2: s3 0.5 and s5 (1 + 0) / 2.
    assert net.seed_slice_dice == pytest.approx((0.7 + 0.5) / 2)


def test_hd95_is_the_median_over_scans_and_an_empty_mask_is_infinitely_far() -> None:
    cells = aggregate(tiny_study()).cells

    assert cells["Net", "v", "test"].hd95_mm == pytest.approx(3)  # of 3, 1, 6
    assert cells["Rule", "v", "test"].hd95_mm == pytest.approx(3)  # of 2, 2, 4, infinite
    empty = replace(_scores("Rule", [0.0])[0], hd95_mm=None)
    assert aggregate(_study([empty])).cells["Rule", "v", "test"].hd95_mm == float("inf")
    unmeasured = _scores("Rule", [0.5])
    assert aggregate(_study(unmeasured)).cells["Rule", "v", "test"].hd95_mm is None


def test_a_scan_that_a_seed_lacks_is_left_out_as_failed() -> None:
    scores = [s for s in tiny_study().scores if (s.row, s.seed, s.name) != ("Net", 2, "s3")]
    net = aggregate(_study(scores)).cells["Net", "v", "test"]

    assert [scan.name for scan in net.scored] == ["s1", "s2"]
    assert net.failed == 2


def test_the_paired_difference_is_over_the_scans_that_both_rows_have() -> None:
    (test,) = aggregate(tiny_study()).tests

    assert (test.row, test.set) == ("Net", "v")
    assert test.differences == pytest.approx({"p1": -0.025, "p2": -0.2})
    assert test.mean == pytest.approx(-0.1125)
    assert (test.interval, test.p, test.p_holm) == (None, None, None)


def test_a_row_that_lacks_a_scan_is_incomplete() -> None:
    numbers = aggregate(tiny_study())

    assert len(numbers.scans("v", "test")) == 4
    assert numbers.incomplete(numbers.cells["Net", "v", "test"], "v", "test")
    assert not numbers.incomplete(numbers.cells["Rule", "v", "test"], "v", "test")


@pytest.mark.parametrize("patients", [5, 6])
def test_intervals_and_p_values_begin_at_six_patients(patients: int) -> None:
    net, rule = [0.9, 0.8, 0.95, 0.7, 0.85, 0.6], [0.8, 0.75, 0.9, 0.72, 0.7, 0.5]
    net, rule = net[:patients], rule[:patients]
    numbers = aggregate(_study(_scores("Net", net) + _scores("Rule", rule)))
    (test,) = numbers.tests

    cell = numbers.cells["Net", "v", "test"]
    assert cell.interval == bootstrap_interval(net)
    assert test.p == paired_wilcoxon(net, rule)
    assert ((cell.interval, test.interval, test.p, test.p_holm) == (None,) * 4) == (patients == 5)


def test_sets_stand_alone_and_together_and_are_tested_once() -> None:
    net = {"v": [0.9, 0.8], "s": [0.9, 0.8, 0.95, 0.7, 0.85, 0.6]}
    rule = {"v": [0.8, 0.7], "s": [0.8, 0.75, 0.9, 0.65, 0.7, 0.5]}
    scores = [s for set_ in net for s in _scores("Net", net[set_], set_)]
    scores += [s for set_ in rule for s in _scores("Rule", rule[set_], set_)]
    numbers = aggregate(_study(scores))

    assert numbers.sets == ("v", "s", ALL_SETS)
    assert numbers.cells["Net", "v", "test"].dice == pytest.approx(0.85)
    assert numbers.cells["Net", "s", "test"].dice == pytest.approx(0.8)
    assert numbers.cells["Net", ALL_SETS, "test"].dice == pytest.approx(6.5 / 8)
    assert [test.set for test in numbers.tests] == ["v", "s"]
    assert numbers.tests[0].p is None
    assert [test.p_holm for test in numbers.tests] == holm([test.p for test in numbers.tests])
    assert numbers.tests[1].p == pytest.approx(2 / 2**6)  # six of six: both tails, exact
    assert numbers.tests[1].p_holm == numbers.tests[1].p  # of one test: v is too small for one


def test_distances_of_several_sets_are_not_mixed() -> None:
    scores = [replace(s, hd95_mm=2.0) for set_ in "vs" for s in _scores("Net", [0.9], set_)]
    cells = aggregate(_study(scores)).cells

    assert cells["Net", "v", "test"].hd95_mm == 2
    assert cells["Net", ALL_SETS, "test"].hd95_mm is None


def test_missing_rows_stay_in_the_order_of_rows() -> None:
    record = replace(tiny_study(), rows=("Net", "lungmask", "Rule"), missing=(("late", "No."),))

    assert aggregate(record).rows == ("Net", "lungmask", "Rule", "late")


def test_double_scores_and_unknown_rows_are_refused() -> None:
    one = _scores("Net", [0.9])

    with pytest.raises(ValueError, match="double"):
        aggregate(_study(one + one))
    with pytest.raises(ValueError, match="doesn't have"):
        aggregate(_study(_scores("Other", [0.9])))
