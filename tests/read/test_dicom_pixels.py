"""Stored values -> HU: rescale per slice, padding, bits, codecs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from pleura.read.dicom import read_dicom
from pleura.volume import Volume
from tests.dicom_phantom import write_series


def codes(volume: Volume) -> set[str]:
    return {finding.code for finding in volume.findings}


def stored(values: object, **attributes: object) -> dict[str, object]:
    """Overrides that replace the pixels of 2 x 2 slices by these stored values."""
    kind = "<i2" if attributes.get("PixelRepresentation", 1) else "<u2"
    return {"PixelData": np.array(values).astype(kind).tobytes(), **attributes}


@pytest.mark.parametrize(
    "syntax",
    ["ImplicitVRLittleEndian", "ExplicitVRLittleEndian", "ExplicitVRBigEndian",
     "DeflatedExplicitVRLittleEndian", "RLELossless"],
)  # fmt: skip
def test_every_slice_has_its_own_rescale(tmp_path: Path, syntax: str) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, (4, 6, 5), dtype=np.int16)
    rescale = [(1.0, -1024.0), (1.0, 0.0), (0.5, -900.0), (0.25, 100.0)]
    write_series(tmp_path, hu, rescale=rescale, transfer_syntax=getattr(pydicom.uid, syntax))
    np.testing.assert_array_equal(read_dicom(tmp_path).array, hu)


def test_fractions_are_rounded_and_the_range_is_clipped(tmp_path: Path) -> None:
    write_series(
        tmp_path, np.zeros((1, 2, 2)),
        overrides=stored([3, 5, 32767, -32768], RescaleSlope=1.3, RescaleIntercept=-0.4),
    )  # fmt: skip
    assert read_dicom(tmp_path).array.ravel().tolist() == [4, 6, 32767, -32768]


@pytest.mark.parametrize("intercept", [-1024, 20000])
def test_unsigned_values_above_int16(tmp_path: Path, intercept: int) -> None:
    values = [0, 1024, 40000, 65535]
    write_series(
        tmp_path, np.zeros((1, 2, 2)),
        overrides=stored(values, PixelRepresentation=0, RescaleIntercept=intercept),
    )  # fmt: skip
    expected = np.clip(np.array(values) + intercept, -32768, 32767)
    assert read_dicom(tmp_path).array.ravel().tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("signed", "expected"), [(1, [-1, -24, 5, 2047]), (0, [4095, 4072, 5, 2047])]
)
def test_overlay_bits_are_ignored(tmp_path: Path, signed: int, expected: list[int]) -> None:
    """12 stored bits, with an old overlay in the four above."""
    values = (np.array([-1, -24, 5, 2047]) & 0xFFF) | 0x5000
    write_series(
        tmp_path, np.zeros((1, 2, 2)),
        overrides=stored(
            values, PixelRepresentation=signed, BitsStored=12, HighBit=11, RescaleIntercept=0
        ),
    )  # fmt: skip
    assert read_dicom(tmp_path).array.ravel().tolist() == expected


@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "RLELossless"])
@pytest.mark.parametrize(
    ("padding", "limit", "expected"),
    [
        (-2000, None, [-1024, -1500, 0, 100]),
        (-2000, -400, [-1024, -1024, 0, 100]),
        (1124, None, [-3024, -1500, 0, 100]),  # 100 HU: tissue, a wrong entry
    ],
)
def test_padding(
    tmp_path: Path, syntax: str, padding: int, limit: int | None, expected: list[int]
) -> None:
    hu = np.array([-3024, -1500, 0, 100]).reshape(1, 2, 2)
    pads = {"PixelPaddingValue": padding, "PixelPaddingRangeLimit": limit}
    write_series(tmp_path, hu, overrides=pads, transfer_syntax=getattr(pydicom.uid, syntax))
    volume = read_dicom(tmp_path)
    assert volume.array.ravel().tolist() == expected
    assert codes(volume) == ({"padding_ignored"} if padding == 1124 else {"padding"})


def test_missing_rescale_is_said_not_guessed(tmp_path: Path) -> None:
    hu = np.arange(4).reshape(1, 2, 2)
    write_series(tmp_path, hu, overrides={"RescaleSlope": None, "RescaleIntercept": None})
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu + 1024)
    assert codes(volume) == {"rescale_missing"}


def test_what_the_header_says_of_the_values(tmp_path: Path) -> None:
    write_series(
        tmp_path, np.zeros((1, 2, 2)),
        overrides={"RescaleType": "US", "LossyImageCompression": "01"},
    )  # fmt: skip
    assert codes(read_dicom(tmp_path)) == {"rescale_type", "lossy"}


@pytest.mark.parametrize("named", [True, False])
def test_padding_blurred_by_lossy_compression(tmp_path: Path, named: bool) -> None:
    """Around -3024 instead of exactly there; what lies nearer to it than to air is padding."""
    rng = np.random.default_rng(0)
    hu = rng.normal(-100, 300, (1, 40, 40)).clip(-1100, 1500)
    hu[:, :10] = rng.normal(-3024, 30, (10, 40))
    hu[:, 10, :5] = (-2500, -2100, -1900, -1300, -1000)
    overrides = {"LossyImageCompression": "01"}
    write_series(
        tmp_path, hu, overrides={**overrides, "PixelPaddingValue": -2000} if named else overrides
    )
    volume = read_dicom(tmp_path)
    assert np.unique(volume.array[0, :10]).tolist() == [-1024]
    assert volume.array[0, 10, :5].tolist() == [-1024, -1024, -1900, -1300, -1000]
    np.testing.assert_array_equal(volume.array[0, 11:], np.rint(hu[0, 11:]))
    assert codes(volume) == {"lossy", "padding"}


def test_low_values_of_many_levels_are_no_padding(tmp_path: Path) -> None:
    hu = np.random.default_rng(0).uniform(-3000, 500, (1, 40, 40))
    write_series(tmp_path, hu, overrides={"LossyImageCompression": "01"})
    volume = read_dicom(tmp_path)
    assert codes(volume) == {"lossy"}
    np.testing.assert_array_equal(volume.array, np.rint(hu))


def test_the_air_of_a_scan_that_lies_too_low_is_no_padding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hu = rng.normal(-2024, 20, (1, 40, 40))
    hu[:, 10:30, 10:30] = rng.normal(-984, 30, (20, 20))
    write_series(tmp_path, hu, overrides={"LossyImageCompression": "01"})
    volume = read_dicom(tmp_path)
    assert codes(volume) == {"lossy"}
    np.testing.assert_array_equal(volume.array, np.rint(hu))
