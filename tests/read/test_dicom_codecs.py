"""Every transfer syntax that can be written here gives back the very values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from pleura.errors import UnreadableError
from pleura.read.dicom import read_dicom, scan_folder
from tests.dicom_compress import HTJ2K, HTJ2K_PLANE, LOSSLESS, recompress
from tests.dicom_phantom import write_multiframe, write_series

RNG = np.random.default_rng(0)
HU = RNG.integers(-1024, 3000, (3, 16, 24), dtype=np.int16)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("signed", [True, False])
def test_lossless_codecs_are_bit_exact(tmp_path: Path, syntax: str, signed: bool) -> None:
    overrides = {} if signed else {"PixelRepresentation": 0}
    write_series(tmp_path, HU, overrides=overrides)
    for file in tmp_path.iterdir():
        recompress(file, syntax)
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, HU)
    assert volume.findings == ()


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_compressed_frames_keep_their_own_rescale(tmp_path: Path, syntax: str) -> None:
    rescale = [(1.0, -1024.0), (2.0, -3000.0), (1.0, 10.0)]
    hu = 2 * (HU // 2)
    write_multiframe(tmp_path / "x.dcm", hu, order=[2, 0, 1], rescale=rescale)
    recompress(tmp_path / "x.dcm", syntax)
    np.testing.assert_array_equal(read_dicom(tmp_path).array, hu)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_a_single_enhanced_frame_is_rescaled(tmp_path: Path, syntax: str) -> None:
    write_multiframe(tmp_path / "x.dcm", HU[:1])
    recompress(tmp_path / "x.dcm", syntax)
    np.testing.assert_array_equal(read_dicom(tmp_path).array, HU[:1])


@pytest.mark.parametrize("syntax", HTJ2K)
def test_high_throughput_jpeg_2000(tmp_path: Path, syntax: str) -> None:
    hu = np.stack([HTJ2K_PLANE.astype(int) - 1024] * 2)
    write_series(tmp_path / "slices", hu)
    (tmp_path / "frames").mkdir()
    write_multiframe(tmp_path / "frames" / "x.dcm", hu)
    for folder in ("slices", "frames"):
        for file in (tmp_path / folder).iterdir():
            recompress(file, syntax)
        np.testing.assert_array_equal(read_dicom(tmp_path / folder).array, hu)


def test_near_lossless_stays_near(tmp_path: Path) -> None:
    write_series(tmp_path, HU, overrides={"LossyImageCompression": "01"})
    for file in tmp_path.iterdir():
        recompress(file, "JPEGLSNearLossless", jls_error=2)
    volume = read_dicom(tmp_path)
    error = np.abs(volume.array.astype(int) - HU)
    assert 0 < error.max() <= 2
    assert [finding.code for finding in volume.findings] == ["lossy"]


@pytest.mark.parametrize(
    ("syntax", "lossy"), [("JPEGExtended12Bit", True), ("JPEGLossless", False)]
)
def test_jpeg_is_lossy_whatever_the_header_says(tmp_path: Path, syntax: str, lossy: bool) -> None:
    write_series(tmp_path, HU[:1], names="numbered")
    recompress(tmp_path / "0001.dcm", "JPEGLossless")
    ds = pydicom.dcmread(tmp_path / "0001.dcm")
    ds.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
    ds.save_as(tmp_path / "0001.dcm")
    (series,) = scan_folder(tmp_path)
    assert series.slices[0].image.lossy == lossy


def test_undecodable_pixels_name_file_and_syntax(tmp_path: Path) -> None:
    write_series(tmp_path, np.zeros((1, 4, 4)), names="numbered")
    file = tmp_path / "0001.dcm"
    ds = pydicom.dcmread(file)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    ds.PixelData = pydicom.encaps.encapsulate([b"no codestream "])
    ds.save_as(file)
    with pytest.raises(UnreadableError, match=r"'0001\.dcm'.*High-Throughput.*gdcmconv"):
        read_dicom(tmp_path)


def test_a_codec_s_chatter_stays_inside(
    shared_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data / "odd" / "all_transfer_syntaxes"
    read_dicom(next(folder.glob("*JPEGProcess10_12*")))
    assert capfd.readouterr() == ("", "")
