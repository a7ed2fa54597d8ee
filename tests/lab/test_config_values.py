"""Which values fit a default, and the words for those that don't."""

from __future__ import annotations

import pytest

from pleura.lab.config_values import fits, is_number, is_pair, shown, wanted


@pytest.mark.parametrize(
    ("value", "default", "fine"),
    [
        (1, 0.5, True), (True, 0.5, False), (1.5, 2, False), (True, 2, False), (1, True, False),
        ([1, 2], (3, 4), True), ([1, "x"], (3, 4), False), (["a"], (), True), ([1], (), False),
        ("x", None, True), (1, "x", False),
    ],
)  # fmt: skip
def test_a_value_has_its_defaults_type(value: object, default: object, fine: bool) -> None:
    assert fits(value, default) is fine


def test_words() -> None:
    assert [wanted(default) for default in (True, 1, 0.5, "a", ("x", "y"))] == [
        "true or false", "a whole number", "a number", "text, as 'a'", "a list, as ['x', 'y']",
    ]  # fmt: skip
    assert shown([True, "a", 1.5]) == "[true, 'a', 1.5]"


def test_numbers_and_ranges() -> None:
    assert [is_number(v) for v in (1, 0.5, True, float("nan"), "1")] == [1, 1, 0, 0, 0]
    assert [is_pair(v) for v in (None, [1, 2.5], [1], [1, float("inf")], 5)] == [1, 1, 0, 0, 0]
