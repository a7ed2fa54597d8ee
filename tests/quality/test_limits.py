"""Which numbers are unusual, and how a sentence says so."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields, replace

import pytest

from pleura.quality.limits import LIMITS, Limit, little_aerated, too_small, unusual
from pleura.quality.measures import Measures

# Of a good mask (the example's reference).
USUAL = Measures(
    lung_ml=5840.5, body_share=0.224, median_hu=-864.0, dense=0.011, gas=0.0012, missed=0.0066,
    extra=2.5e-05, outside=0.0, cut_open=0.0, side_conflict=0.0, rim_dense=0.0084,
    rim_aerated=0.0022, pieces=0, loose=0.0, voids=3e-05, jump=0.081, odd_slice=0.0,
    order=0.992, proportion=0.837, height_mm=265.0, jump_at=60, odd_slice_at=0,
    empty_at=0, at_end=False, empty_slices=0, edge_entropy=0.70,
)  # fmt: skip
HIGH = Limit("dense", "high", 0.2, 0.5, "{percent} or {value}.")
LOW = Limit("order", "low", 0.8, 0.6, "{value}.", below=True)


def test_usual_measures_give_no_finding() -> None:
    assert unusual(USUAL, whole=True) == unusual(USUAL, whole=False) == ()


def test_nothing_measured_is_nothing_found() -> None:
    numbers = {field.name: float("nan") for field in fields(Measures)}
    assert unusual(Measures(**numbers), whole=True) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "value", "severity"),
    [
        (HIGH, 0.19, None), (HIGH, 0.2, "warn"), (HIGH, 0.49, "warn"), (HIGH, 0.5, "fail"),
        (LOW, 0.81, None), (LOW, 0.8, "warn"), (LOW, 0.6, "fail"), (LOW, 0.0, "fail"),
        (replace(HIGH, fail=None), 1.0, "warn"), (replace(HIGH, warn=None), 0.4, None),
        (HIGH, float("nan"), None), (LOW, float("nan"), None),
    ],
)  # fmt: skip
def test_severity_by_value(limit: Limit, value: float, severity: str | None) -> None:
    finding = limit.finding(replace(USUAL, **{limit.measure: value}))
    assert (finding.severity if finding else None) == severity


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.2, "20 % or 0.2."), (0.234, "23 % or 0.234."), (0.996, "100 % or 0.996."),
        (1.0, "100 % or 1."), (0.2001, "20 % or 0.2."),
    ],
)  # fmt: skip
def test_numbers_read_well(value: float, words: str) -> None:
    finding = HIGH.finding(replace(USUAL, dense=value))
    assert finding is not None and finding.message == words


def test_small_shares_and_large_counts_read_well() -> None:
    small = Limit("extra", "x", 0.001, None, "{percent}")
    assert small.finding(replace(USUAL, extra=0.00412)).message == "0.41 %"  # type: ignore[union-attr]
    many = Limit("pieces", "x", 1, None, "{value}")
    assert many.finding(replace(USUAL, pieces=1234)).message == "1234"  # type: ignore[union-attr]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.measure}-{limit.code}")
def test_every_limit(limit: Limit) -> None:
    """It names a measure, is in order, leaves the usual alone, and says one sentence."""
    assert limit.measure in {field.name for field in fields(Measures)}
    assert limit.finding(USUAL) is None
    given = [value for value in (limit.warn, limit.fail) if value is not None]
    assert given == sorted(given, reverse=limit.below) and given
    for value in given:
        kind = type(getattr(USUAL, limit.measure))
        finding = limit.finding(replace(USUAL, **{limit.measure: kind(value)}))
        assert finding is not None and finding.code == limit.code
        assert finding.severity == ("fail" if value == limit.fail else "warn")
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", finding.message)
        assert not re.search(r"[{}]|e[+-]\d|[.!?] [A-Z]", finding.message), finding.message


def test_no_two_limits_say_the_same() -> None:
    keys = Counter((limit.measure, limit.code, limit.partial, limit.below) for limit in LIMITS)
    assert set(keys.values()) == {1}
    measures = Counter((limit.measure, limit.partial, limit.below) for limit in LIMITS)
    assert set(measures.values()) == {1}


def test_a_code_is_said_once_at_its_worst() -> None:
    (finding,) = unusual(replace(USUAL, dense=0.55), whole=True)  # a warning by the wider limit
    assert (finding.code, finding.severity) == ("mask_dense", "fail")


def test_a_part_of_a_chest_is_judged_by_fewer_limits() -> None:
    odd = replace(USUAL, pieces=9, jump=0.9, dense=0.4, missed=0.1)
    whole = {finding.code for finding in unusual(odd, whole=True)}
    assert whole == {"loose_pieces", "jump_between_slices", "mask_dense", "lung_missed"}
    assert [finding.code for finding in unusual(odd, whole=False)] == ["mask_dense"]


def test_masks_between_the_samples() -> None:
    finding = too_small(0.0031)
    assert (finding.code, finding.severity) == ("specks", "fail") and "0.0031 ml" in finding.message


@pytest.mark.parametrize(
    ("share", "whole", "expected"),
    [
        (0.0, True, []), (0.017, False, ["warn"]), (0.03, False, []), (0.05, True, ["warn"]),
        (0.15, True, []),
    ],
)  # fmt: skip
def test_air_that_may_be_bowel(share: float, whole: bool, expected: list[str]) -> None:
    assert [finding.severity for finding in little_aerated(share, whole)] == expected
