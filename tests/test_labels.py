from __future__ import annotations

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.labels import SCHEMES, lungs_of, resolve_scheme, to_pleura


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([0, 1, 2], "pleura"),
        ([0, 1, 2, 3], "pleura"),
        ([0], "pleura"),
        ([1], "pleura"),
        ([0, 3, 4], "luna16"),
        ([0, 3, 4, 5], "luna16"),
        ([0, 255], "merged"),
    ],
)
def test_schemes_are_told_by_their_values(values: list[int], name: str) -> None:
    assert resolve_scheme(values).name == name


@pytest.mark.parametrize("values", [[3], [4], [3, 5], [1, 2, 4], [1, 255], [10, 11, 12, 13, 14]])
def test_surprises_are_refused(values: list[int]) -> None:
    with pytest.raises(UsageError, match="labels"):
        resolve_scheme(values)


def test_a_named_scheme_is_obeyed_but_checked() -> None:
    assert resolve_scheme([3], "luna16").name == "luna16"
    assert resolve_scheme([3], "pleura").name == "pleura"
    with pytest.raises(UsageError, match=r"\[7\]"):
        resolve_scheme([3, 7], "luna16")
    with pytest.raises(UsageError, match="Unknown"):
        resolve_scheme([1], "lobes")


def test_luna16_sides_are_exchanged_to_pleuras() -> None:
    array = np.array([0, 3, 4, 5])
    assert to_pleura(array, SCHEMES["luna16"]).tolist() == [0, 2, 1, 3]
    assert lungs_of(array, SCHEMES["luna16"]).tolist() == [False, True, True, False]


def test_lobes_become_sides() -> None:
    array = np.array([10, 11, 12, 13, 14, 16, 5])
    assert to_pleura(array, SCHEMES["totalseg-lobes"]).tolist() == [2, 2, 1, 1, 1, 3, 0]


def test_covid_19_ct_seg_has_its_sides_the_other_way_round() -> None:
    scheme = SCHEMES["covid-19-ct-seg"]
    assert (scheme.left, scheme.right, scheme.lungs) == ((1,), (2,), (3,))
