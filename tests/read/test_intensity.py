"""Are these Hounsfield units?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.errors import IntensityError
from pleura.read.check import checked
from pleura.read.intensity import to_hu
from pleura.volume import Geometry, Volume
from tests.phantom import chest
from tests.scans import small

PHANTOM = small()
HU = PHANTOM.hu


def check(array: np.ndarray) -> Volume:
    hu, findings = to_hu(array, "The scan")
    return checked(Volume(hu, Geometry.from_parts(hu.shape, (8, 6, 6)), findings=findings))


def test_int16_is_taken_as_it_is() -> None:
    assert to_hu(HU, "x")[0] is HU


@given(st.sampled_from(["f2", "f4", "f8", "i4", "i8", ">i2", ">f4"]), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_any_number_type_gives_the_same_hu(dtype: str, seed: int) -> None:
    hu = np.random.default_rng(seed).integers(-1024, 2000, (2, 5, 6), dtype=np.int16)
    out, findings = to_hu(hu.astype(dtype), "x")
    assert out.dtype == np.int16 and np.array_equal(out, hu) and findings == ()


def test_fractions_are_rounded() -> None:
    assert to_hu(np.array([[[-0.6, 0.4, 1.6]]]), "x")[0].tolist() == [[[-1, 0, 2]]]


PICTURES = {
    "constant": (np.full(HU.shape, -1000), "same value"),
    "8 bit": (np.clip((HU + 1350) / 1500 * 255, 0, 255).astype(np.uint8), "8-bit picture"),
    "8 bit as int16": (np.clip((HU + 1350) / 1500 * 255, 0, 255).astype(np.int16), "8-bit"),
    "0 to 1": ((HU - HU.min()) / np.ptp(HU.astype(float)), "from 0 to 1"),
    "-1 to 1": (HU / 1100, "normalised"),
    "z-score": ((HU - HU.mean()) / HU.std(), "normalised"),
    "mask": ((HU > 0).astype(np.uint8), "mask"),
    "14 bit without rescale": ((4 * HU.astype(np.int32) + 4096).astype(np.uint16), "rescale to HU"),
    "boolean": (HU > 0, "bool values instead of HU"),
    "complex": (HU.astype(np.complex64), "complex64 values instead of HU"),
    "objects": (HU.astype(object), "object values instead of HU"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_are_refused(case: str) -> None:
    array, words = PICTURES[case]
    with pytest.raises(IntensityError, match=words):
        check(array)


@pytest.mark.parametrize("case", ["0 to 1", "-1 to 1", "8 bit", "14 bit without rescale"])
def test_pictures_with_nan_around_are_refused_too(case: str) -> None:
    array, words = PICTURES[case]
    array = array.astype(np.float32)
    array[:, :4] = np.nan
    with pytest.raises(IntensityError, match=words):
        check(array)


INSIDE = {
    "one in the lung": lambda lost: lost.__setitem__((2, 30, 19), True),
    "one in the heart": lambda lost: lost.__setitem__((2, 28, 37), True),
    "a block": lambda lost: lost.__setitem__((slice(1, 3), slice(20, 40), slice(20, 40)), True),
    "a slice": lambda lost: lost.__setitem__(1, True),
    "the last slice": lambda lost: lost.__setitem__(-1, True),
    "everything": lambda lost: lost.__setitem__(slice(None), True),
    "all in the body": lambda lost: np.copyto(lost, PHANTOM.labels > 0),
}
OUTSIDE = {
    "corners": lambda lost: lost.__setitem__((slice(None), slice(0, 6), slice(0, 6)), True),
    "one": lambda lost: lost.__setitem__((2, 1, 1), True),
    "a row": lambda lost: lost.__setitem__((slice(None), 0), True),
    "outside the scanner's circle": lambda lost: np.copyto(lost, circle()),
}


def circle() -> np.ndarray:
    y, x = np.ogrid[-31.5:32, -31.5:32]
    return np.broadcast_to(y**2 + x**2 > 31.5**2, HU.shape)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", INSIDE)
def test_lost_voxels_in_the_body_are_refused(case: str, value: float) -> None:
    lost = np.zeros(HU.shape, dtype=bool)
    INSIDE[case](lost)
    with pytest.raises(IntensityError, match=f"{lost.sum()} voxels without a number"):
        check(np.where(lost, value, HU))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", OUTSIDE)
def test_lost_voxels_around_it_become_air(case: str, value: float) -> None:
    lost = np.zeros(HU.shape, dtype=bool)
    OUTSIDE[case](lost)
    volume = check(np.where(lost, value, HU).astype(np.float32))
    (finding,) = volume.findings
    assert finding.code == "non_finite_outside_body" and finding.severity == "warn"
    assert finding.message.startswith(f"{lost.sum()} voxels")
    assert (volume.array[lost] == -1024).all() and np.array_equal(volume.array[~lost], HU[~lost])


@pytest.mark.parametrize("half", [np.s_[:, :, :32], np.s_[:, :, 32:], np.s_[:, 32:]])
def test_a_lost_half_of_the_body_is_inside(half: tuple[slice, ...]) -> None:
    hu = chest((6, 64, 64), (45, 6, 6)).hu.astype(np.float32)
    hu[half] = np.nan
    with pytest.raises(IntensityError, match="inside the body"):
        to_hu(hu, "The scan")


def test_a_round_field_of_view_loses_nothing_that_matters() -> None:
    hu = chest((6, 64, 64), (45, 6, 6)).hu.astype(np.float32)
    y, x = np.mgrid[:64, :64] - 31.5
    hu[:, np.hypot(y, x) > 31] = np.nan
    _, findings = to_hu(hu, "The scan")
    assert [finding.code for finding in findings] == ["non_finite_outside_body"]


def test_what_is_lost_outside_a_round_field_of_view_may_touch_the_body() -> None:
    """Big patients reach the circle; converters write NaN beyond it."""
    hu = chest(shape=(8, 96, 96), spacing=(20.0, 3.0, 3.0)).hu[:, :, 8:-8].astype(np.float32)
    y, x = np.mgrid[:96, :80]
    round_field = np.hypot(y - 47.5, x - 39.5) > 39.5
    values = hu.copy()
    values[:, round_field] = np.nan
    array, findings = to_hu(values, "scan")
    assert [finding.code for finding in findings] == ["non_finite_outside_body"]
    assert (array[:, round_field] == -1024).all()
    values[4, 40:50, 30:40] = np.nan  # and a hole in the body is still a loss
    with pytest.raises(IntensityError, match="inside the body"):
        to_hu(values, "scan")
