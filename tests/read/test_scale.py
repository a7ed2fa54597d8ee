from __future__ import annotations

import numpy as np
import pytest

from pleura.errors import IntensityError
from pleura.read.scale import check_scale
from tests.phantom import chest

HU = chest((12, 96, 96), (24, 4, 4)).hu


def codes(hu: np.ndarray) -> list[str]:
    return [finding.code for finding in check_scale(hu.astype(np.int16), "The scan")]


def padded(hu: np.ndarray, value: int) -> np.ndarray:
    """A round field of view, `value` outside."""
    y, x = np.mgrid[:96, :96] - 47.5
    return np.where(np.hypot(y, x) > 46, value, hu)


@pytest.mark.parametrize("padding", [-1024, -2000, -3024, 0])
def test_true_hu_with_any_padding_says_nothing(padding: int) -> None:
    assert codes(HU) == []
    assert codes(padded(HU, padding)) == []


@pytest.mark.parametrize(
    ("hu", "words"),
    [
        (HU + 1024, "rescale"),
        (padded(HU + 1024, -2000), "rescale"),
        (-HU, "inverted"),
        (HU * 2, "scale is wrong"),
        (HU * 1.5, "scale is wrong"),
        (HU * 0.5, "scale is wrong"),
    ],
    ids=["offset", "offset and padding", "inverted", "x2", "x1.5", "x0.5"],
)
def test_what_is_no_hu_is_refused(hu: np.ndarray, words: str) -> None:
    with pytest.raises(IntensityError, match=words):
        codes(hu)


@pytest.mark.parametrize("hu", [HU * 0.8, HU * 1.2, HU + 100], ids=["x0.8", "x1.2", "+100"])
def test_what_is_nearly_hu_is_said(hu: np.ndarray) -> None:
    assert codes(hu) == ["intensity_scale"]


def test_a_crop_without_room_air_is_fine() -> None:
    assert codes(HU[:, 30:66, 20:76]) == []


def test_padding_alone_is_nothing_to_judge() -> None:
    assert codes(np.full((2, 8, 8), -2000)) == []
