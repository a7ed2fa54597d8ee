"""What is no HU is refused, what is nearly HU is said, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura.errors import IntensityError
from tests.phantom import chest
from tests.read.made_defects import codes, example, outside, phantom, read

HU = phantom().hu


@pytest.mark.parametrize(
    ("hu", "words"),
    [
        (HU * 2, "scale is wrong"),
        (HU * 1.5, "scale is wrong"),
        (HU * 0.5, "scale is wrong"),
        (HU + 512, "scale is wrong"),
        (HU * 2.0 + 1024, "scale is wrong"),
        (HU * 0.8 + 1024, "rescale to HU is missing"),
    ],
    ids=["x2", "x1.5", "x0.5", "+512", "x2+1024", "x0.8+1024"],
)
def test_what_is_no_hu_is_refused(hu: np.ndarray, words: str) -> None:
    with pytest.raises(IntensityError, match=words):
        read(hu)


@pytest.mark.parametrize("scan", ["phantom", "example"])
@pytest.mark.parametrize("top", [0, -1000, 1000, 2047, 3071])
def test_inverted_scans_are_called_so(scan: str, top: int) -> None:
    hu = HU if scan == "phantom" else example().array
    with pytest.raises(IntensityError, match="is inverted"):
        read(np.int16(top) - hu)


def test_an_inverted_scan_with_padding_is_called_so_too() -> None:
    with pytest.raises(IntensityError, match="is inverted"):
        read(np.where(outside(HU.shape), -2000, -1000 - HU).astype(np.int16))


@pytest.mark.parametrize("hu", [HU * 0.8, HU * 1.2, HU + 100], ids=["x0.8", "x1.2", "+100"])
def test_what_is_nearly_hu_is_said(hu: np.ndarray) -> None:
    assert codes(read(np.rint(hu))) == ["intensity_scale"]


def test_filled_padding_does_not_hide_it() -> None:
    around = outside(HU.shape, 0.47)
    found = codes(read(np.where(around, -2000, np.rint(HU * 0.8)).astype(np.int16)))
    assert found == ["padding_repaired", "intensity_scale"]


def test_a_crop_without_room_air_is_fine() -> None:
    hu = chest((12, 96, 96), (24, 4, 4)).hu[:, 30:66, 20:76]
    assert codes(read(hu, (8, 4, 4))) == []


SCANS = {"phantom": phantom(), "example": example()}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_clean_scans_are_left_alone(data: st.DataObject) -> None:
    """Shifted in place, cropped, flipped, noisy, a little off: no repair, no refusal."""
    name = data.draw(st.sampled_from(sorted(SCANS)))
    hu = SCANS[name].hu if name == "phantom" else SCANS[name].array
    spacing = SCANS[name].geometry.spacing_zyx_mm
    low = [data.draw(st.integers(0, n // 3)) for n in hu.shape]
    high = [data.draw(st.integers(2 * n // 3, n)) for n in hu.shape]
    flips = data.draw(st.tuples(*[st.sampled_from([1, -1])] * 3))
    noise = data.draw(st.sampled_from([0, 20, 80]))
    off = data.draw(st.integers(-50, 50))
    part = hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    part = part[tuple(slice(None, None, flip) for flip in flips)]
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    made = np.rint(part + off + random.normal(0, noise, part.shape)).astype(np.int16)
    if data.draw(st.booleans()):
        made = made.clip(-1024, 3071)
    volume = read(made, spacing)
    assert not any(finding.repair for finding in volume.findings)
    assert np.array_equal(volume.array, made)
    assert set(codes(volume)) <= {"extreme_values", "intensity_scale"}
