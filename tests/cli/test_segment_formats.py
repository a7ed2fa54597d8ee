"""`pleura segment -o` in every format, `--sr` and `--deidentify`."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from pleura.write import MASK_SUFFIXES
from tests.dicom_phantom import write_series
from tests.scans import Pleura, assert_refused, caller, names, save, small, without_network
from tests.write.dicom.series import SECRETS


@pytest.fixture
def pleura(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pleura:
    without_network(monkeypatch)
    return caller(capsys)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats") / "ct"
    write_series(folder, small().hu, small().geometry, overrides=SECRETS)
    return folder


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_every_suffix(pleura: Pleura, series: Path, here: Path, suffix: str) -> None:
    run = pleura("segment", series, "-o", f"mask{suffix}", "--json")
    assert run.code == 0, run.err
    assert run.json["output"] == f"mask{suffix}"
    assert names(here) == [f"mask{suffix}"] + (["mask.zraw"] if suffix == ".mhd" else [])
    if suffix.endswith(".dcm"):
        assert pydicom.dcmread(here / f"mask{suffix}").Modality == (
            "RTSTRUCT" if "rtstruct" in suffix else "SEG"
        )


def test_upper_case(pleura: Pleura, series: Path, here: Path) -> None:
    assert pleura("segment", series, "-o", "MASK.RTSTRUCT.DCM").code == 0
    assert pydicom.dcmread(here / "MASK.RTSTRUCT.DCM").Modality == "RTSTRUCT"


def test_report(pleura: Pleura, series: Path, here: Path) -> None:
    run = pleura("segment", series, "-o", "seg.dcm", "--sr", "sr.dcm")
    assert run.code == 0 and "Report   sr.dcm" in run.out
    seg, report = (pydicom.dcmread(here / name) for name in ("seg.dcm", "sr.dcm"))
    assert report.Modality == "SR" and seg.SOPInstanceUID in str(report)


def test_deidentify(pleura: Pleura, series: Path, here: Path) -> None:
    assert pleura("segment", series, "-o", "seg.dcm", "--sr", "sr.dcm", "--deidentify").code == 0
    for name in ("seg.dcm", "sr.dcm"):
        data = (here / name).read_bytes()
        assert b"SECRET" not in data and b"ACCESSION" not in data
    assert pleura("segment", series, "-o", "plain.dcm").code == 0
    assert b"SECRETNAME" in (here / "plain.dcm").read_bytes()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("suffix", [".dcm", ".rtstruct.dcm"])
def test_of_a_nifti(pleura: Pleura, tmp_path: Path, here: Path, suffix: str, as_json: bool) -> None:
    scan = save(tmp_path / "scan.nii.gz", small().hu, small().geometry)
    run = pleura("segment", scan, "-o", f"mask{suffix}", *["--json"] * as_json)
    assert_refused(run, 2, "usage", as_json)
    assert "is no DICOM" in run.err and names(here) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "mask.nii.gz", "--sr", "sr.dcm"], "refer to a DICOM SEG"),
        (["-o", "m.rtstruct.dcm", "--sr", "sr.dcm"], "refer to a DICOM SEG"),
        (["-o", "seg.dcm", "--sr", "seg.dcm"], "both be written"),
        (["-o", "seg.dcm", "--sr", "sr.json"], "use .dcm"),
        (["-o", "seg.dcm", "--probabilities", "p.dcm"], "no suffix"),
        (["-o", "seg.dicom"], "no suffix"),
    ],
)
def test_refused(
    pleura: Pleura, series: Path, here: Path, arguments: list[str], words: str
) -> None:
    run = pleura("segment", series, *arguments)
    assert_refused(run, 2, "usage", False)
    assert words in run.err and names(here) == []
