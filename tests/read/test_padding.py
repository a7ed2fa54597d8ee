"""Padding around a round field of view."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.read.padding import constant_corners, corner_value, outside_circle
from tests.read.made_defects import codes, example, outside, phantom, read

HU = phantom().hu
CIRCLES = {"in the frame": (0.5, (0, 0)), "corners only": (0.6, (0, 0)), "off": (0.46, (2, -3))}


@pytest.mark.parametrize("value", [-1200, -2000, -3024, -32768])
def test_values_far_below_air_become_air(value: int) -> None:
    around = outside(HU.shape)
    given = np.where(around, value, HU).astype(np.int16)
    volume = read(given)
    (finding,) = volume.findings
    assert (finding.code, finding.severity) == ("padding_repaired", "note")
    assert finding.repair == "set to -1024 HU" and f"exactly {value}" in finding.message
    assert finding.message.startswith(f"{100 * around.mean():.1f} %")
    assert np.array_equal(volume.array, np.where(around, -1024, HU))
    assert (given[around] == value).all(), "the caller's array was changed"


@pytest.mark.parametrize("value", [0, 40, 1000, 3071, -500])
@pytest.mark.parametrize("circle", CIRCLES)
def test_tissue_outside_a_circle_becomes_air(circle: str, value: int) -> None:
    radius, off = CIRCLES[circle]
    around = outside(HU.shape, radius, off)
    volume = read(np.where(around, value, HU).astype(np.int16))
    assert codes(volume) == ["padding_repaired"]
    assert np.array_equal(volume.array, np.where(around, -1024, HU))


def test_in_a_real_scan_only_the_very_border_may_differ() -> None:
    scan = example()
    around = outside(scan.array.shape)
    volume = read(np.where(around, 0, scan.array).astype(np.int16), scan.geometry.spacing_zyx_mm)
    wrong = volume.array != np.where(around, -1024, scan.array)
    assert "padding_repaired" in codes(volume) and wrong.mean() < 1e-4


def test_flipped_and_turned_arrays_too() -> None:
    around = outside(HU.shape)
    given = np.where(around, 0, HU).astype(np.int16)[::-1, ::-1]
    assert np.array_equal(read(given).array, np.where(around, -1024, HU)[::-1, ::-1])


def test_blank_slices_of_a_padded_scan_are_padding() -> None:
    given = np.where(outside(HU.shape), 0, HU).astype(np.int16)
    given[[0, -1]] = 0
    assert (read(given).array[[0, -1]] == -1024).all()


def test_a_square_border_is_left_with_a_warning() -> None:
    given = np.pad(HU, ((0, 0), (12, 12), (12, 12)))
    volume = read(given)
    assert codes(volume) == ["constant_corners"] and np.array_equal(volume.array, given)
    (finding,) = volume.findings
    assert finding.severity == "warn" and "exactly 0 HU" in finding.message


def test_a_background_that_was_masked_to_0_is_left_with_a_warning() -> None:
    given = np.where(HU < -950, 0, HU)
    given[:, 40:88, 20:108] = HU[:, 40:88, 20:108]
    assert codes(read(given)) == ["constant_corners"]


def test_an_ellipse_is_no_field_of_view() -> None:
    y, x = np.ogrid[-63.5:64, -63.5:64]
    around = np.broadcast_to((y / 50) ** 2 + (x / 62) ** 2 > 1, HU.shape)
    volume = read(np.where(around, 0, HU).astype(np.int16))
    assert codes(volume) == ["constant_corners"]


def test_a_circle_stays_one_where_pixels_are_not_square() -> None:
    y, x = np.ogrid[-63.5:64, -63.5:64]
    around = np.broadcast_to((2 * y) ** 2 + x**2 > 62**2, HU.shape)
    padded = np.where(around, 0, HU).astype(np.int16)
    assert outside_circle(padded, 0, (6.0, 3.0)) is not None
    assert outside_circle(padded, 0, (3.0, 3.0)) is None


def test_corners_of_several_values_are_no_padding() -> None:
    given = HU.copy()
    given[:, :20, :20] = 0
    assert corner_value(given) is None and codes(read(given)) == []
    assert constant_corners(given, 500) == ()


def test_padding_that_was_interpolated_is_found() -> None:
    given = np.where(outside(HU.shape), -2000, HU).astype(float)
    for _ in range(2):  # as moving it by a part of a pixel does
        given[:, 1:] = 0.4 * given[:, 1:] + 0.6 * given[:, :-1]
        given = given.swapaxes(1, 2)
    volume = read(np.rint(given))
    assert "padding_repaired" in codes(volume)
    assert (volume.array[:, [0, 0, -1, -1], [0, -1, 0, -1]] == -1024).all()
