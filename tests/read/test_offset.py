"""Offsets that were left in, or taken off twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pleura
from pleura.errors import IntensityError
from pleura.volume import Volume, nibabel_image
from tests.dicom_phantom import write_series
from tests.read.made_defects import codes, example, outside, phantom, read

SHIFTS = {"12 bit": 1024, "plus 1000": 1000, "taken off twice": -1024}


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("scan", [phantom, example], ids=["phantom", "example"])
def test_an_offset_is_put_right_and_said(name: str, scan: Callable[[], Any]) -> None:
    hu, geometry = (scan().hu if scan is phantom else scan().array), scan().geometry
    spoilt = hu + np.int16(SHIFTS[name])
    volume = read(spoilt, geometry.spacing_zyx_mm)
    (finding,) = (f for f in volume.findings if f.code == "offset_repaired")
    assert finding.severity == "warn" and finding.repair.startswith(str(abs(SHIFTS[name])))
    assert np.array_equal(volume.array, hu)
    assert np.array_equal(spoilt, hu + np.int16(SHIFTS[name])), "the caller's array was changed"


def test_air_that_was_cut_off_in_a_round_field_of_view() -> None:
    """The corners' value is the least, and the one above it is no second place of cutting."""
    scan = example()
    stored = (scan.array + np.int16(1000)).clip(0).astype(np.uint16)
    volume = read(stored, scan.geometry.spacing_zyx_mm)
    assert np.array_equal(volume.array, scan.array.clip(-1000))
    (finding,) = (f for f in volume.findings if f.code == "offset_repaired")
    assert "perhaps 1024, 24 HU off" in finding.message


def test_the_sentence_names_both_peaks() -> None:
    (finding,) = (
        f for f in read(phantom().hu + np.int16(1024)).findings if f.code == "offset_repaired"
    )
    assert "Air lay at 2" in finding.message and "soft tissue at 106" in finding.message
    assert finding.repair == "1024 subtracted"


def test_a_file_gives_the_repaired_array(tmp_path: Path) -> None:
    stored = (phantom().hu.astype(np.int32) + 1024).astype(np.uint16)
    nibabel_image(stored, phantom().geometry).to_filename(tmp_path / "a.nii.gz")
    before = (tmp_path / "a.nii.gz").read_bytes()
    volume = pleura.read(tmp_path / "a.nii.gz")
    assert np.array_equal(volume.array, phantom().hu) and codes(volume) == ["offset_repaired"]
    assert (tmp_path / "a.nii.gz").read_bytes() == before
    assert volume.geometry.matches(pleura.read(tmp_path / "a.nii.gz").geometry)


def test_a_dicom_series_without_rescale_is_put_right(tmp_path: Path) -> None:
    lost = {"RescaleSlope": None, "RescaleIntercept": None}
    write_series(tmp_path / "scan", phantom().hu, phantom().geometry, overrides=lost)
    volume = pleura.read(tmp_path / "scan")
    assert np.array_equal(volume.array, phantom().hu)
    assert codes(volume) == ["rescale_missing", "offset_repaired"]


def test_constant_air_of_a_scan_shifted_twice_is_no_padding() -> None:
    hu = np.pad(phantom().hu, ((0, 0), (40, 40), (40, 40)), constant_values=-1024)
    hu[hu < -930] = -1024
    volume = read(hu - np.int16(1024))
    assert codes(volume) == ["offset_repaired"] and np.array_equal(volume.array, hu)


@pytest.mark.parametrize("padding", [-2000, -3024, 0])
def test_padding_and_offset_together(padding: int) -> None:
    hu = phantom().hu
    around = outside(hu.shape)
    volume = read(np.where(around, padding, hu + 1024).astype(np.int16))
    assert "offset_repaired" in codes(volume)
    assert np.array_equal(volume.array, np.where(around, -1024, hu))


def test_padding_in_a_scan_shifted_twice() -> None:
    hu = phantom().hu
    around = outside(hu.shape)
    volume = read(np.where(around, -3048, hu - 1024).astype(np.int16))
    assert codes(volume) == ["offset_repaired", "padding_repaired"]
    assert np.array_equal(volume.array, np.where(around, -1024, hu))


def test_numbers_near_the_end_of_int16_stay_there() -> None:
    spoilt = phantom().hu - np.int16(1024)
    spoilt[3, 60, 60:64] = 32000
    assert read(spoilt).array[3, 60, 60:64].tolist() == [32767] * 4


FACTORS = [0.7, 0.8, 0.9, 1.1, 1.2, 1.5, 2, 4]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("scan", [phantom, example], ids=["phantom", "example"])
def test_a_factor_beside_the_offset_is_refused(factor: float, scan: Callable[[], Any]) -> None:
    hu = (scan().hu if scan is phantom else scan().array).astype(float)
    with pytest.raises(IntensityError, match=r"peaks at -?\d+ and -?\d+ don't tell"):
        read(np.rint(hu * factor + 1024))


@pytest.mark.parametrize("shift", [500, 700, 1200, 2048, -500, -2048])
def test_other_offsets_are_refused(shift: int) -> None:
    with pytest.raises(IntensityError, match="peaks at"):
        read(phantom().hu + np.int16(shift))


def test_one_peak_is_not_enough() -> None:
    hu = phantom().hu + np.int16(1024)
    with pytest.raises(IntensityError, match="no value below 0"):
        read(hu[:, 40:90, 24:54])  # lung and wall, without air around


def test_refusals_name_the_file(tmp_path: Path) -> None:
    hu = phantom().hu * np.int16(2) + np.int16(2048)
    nibabel_image(hu, phantom().geometry).to_filename(tmp_path / "a.nii")
    with pytest.raises(IntensityError, match=r"a\.nii has no value below 0"):
        pleura.read(tmp_path / "a.nii")


def test_nothing_is_done_twice() -> None:
    once = read(phantom().hu + np.int16(1024))
    again = read(once.array)
    assert isinstance(again, Volume) and codes(again) == []
    assert np.array_equal(again.array, once.array)
