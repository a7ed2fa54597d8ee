"""Stored values -> HU: rescale per slice, padding, bits, codecs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from pleura.errors import UnreadableError
from pleura.read import dicom_pixels
from pleura.read.dicom import read_dicom, scan_folder
from pleura.volume import Volume
from tests.dicom_phantom import write_multiframe, write_series


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
        overrides={"RescaleType": "Z_EFF", "LossyImageCompression": "01"},
    )  # fmt: skip
    assert codes(read_dicom(tmp_path)) == {"rescale_type", "lossy"}


def test_undecodable_pixels_name_file_and_syntax(tmp_path: Path) -> None:
    write_series(tmp_path, np.zeros((1, 4, 4)), names="numbered")
    file = tmp_path / "0001.dcm"
    ds = pydicom.dcmread(file)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    ds.PixelData = pydicom.encaps.encapsulate([b"no codestream "])
    ds.save_as(file)
    with pytest.raises(UnreadableError, match=r"'0001\.dcm'.*High-Throughput.*gdcmconv"):
        read_dicom(tmp_path)


def test_gdcm_frames_agree_with_pydicom(tmp_path: Path) -> None:
    """The way compressed multi-frame files go when pydicom has no codec."""
    hu = np.random.default_rng(0).integers(-1000, 1000, (3, 6, 5), dtype=np.int16)
    write_multiframe(
        tmp_path / "x.dcm", hu, order=[2, 0, 1], transfer_syntax=pydicom.uid.RLELossless
    )
    (series,) = scan_folder(tmp_path)
    assert series.stack is not None
    frames, is_hu = dicom_pixels._by_gdcm(series.stack.slices[0].image)
    assert is_hu
    np.testing.assert_array_equal(frames, hu[[2, 0, 1]])


def test_gdcm_frames_with_several_rescales_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_multiframe(
        tmp_path / "x.dcm", np.zeros((2, 6, 5)), rescale=[(1, 0), (2, 0)],
        transfer_syntax=pydicom.uid.RLELossless,
    )  # fmt: skip
    monkeypatch.setattr(dicom_pixels, "_by_pydicom", dicom_pixels._by_gdcm)
    with pytest.raises(UnreadableError, match="can't be decoded"):
        read_dicom(tmp_path)


@pytest.mark.parametrize("name", ["CT1", "CT2"])
@pytest.mark.parametrize(
    "codec", ["j2k__IMAGES__J2KR", "jpeg__IMAGES__JPLL", "jpegls__IMAGES__JLSL",
              "rle_20040210__IMAGES__RLE"],
)  # fmt: skip
def test_lossless_codecs_are_bit_exact(shared_data: Path, name: str, codec: str) -> None:
    folder = shared_data / "odd" / "nema_codec_pairs"
    reference = read_dicom(folder / f"compsamples_refanddir__IMAGES__REF__{name}_UNC")
    kind = codec.rsplit("_", 1)[1]
    decoded = read_dicom(folder / f"compsamples_{codec}__{name}_{kind}")
    np.testing.assert_array_equal(decoded.array, reference.array)


def test_lossless_transfer_syntaxes_agree(shared_data: Path) -> None:
    folder = shared_data / "odd" / "all_transfer_syntaxes"
    reference = read_dicom(folder / "CTImage.dcm").array
    compared = 0
    for file in sorted(folder.glob("CTImage.dcm_*")):
        volume = read_dicom(file)
        error = np.abs(volume.array.astype(int) - reference)
        assert error.mean() < 35, file.name  # the 8-bit one has steps of 32 HU
        if "lossy" not in codes(volume):
            assert not error.any(), file.name
            compared += 1
    assert compared >= 8
