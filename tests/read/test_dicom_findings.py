"""What headers and folder say: mixed scans, two patients, positions, derived images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pleura.errors import IntensityError
from pleura.findings import Finding
from pleura.read.dicom import read_dicom, scan_folder
from pleura.volume import Geometry, Volume
from tests.dicom_phantom import write_multiframe, write_series

CORONAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
ONE_SERIES = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.9"}


def write(folder: Path, slices: int = 12, direction: Any = None, **overrides: object) -> None:
    """A series of 10 mm slices of 4 x 4, with what is overridden; all files are of one series."""
    number = len(list(folder.iterdir())) + 1
    write_series(
        folder, np.full((slices, 4, 4), slices), suffix=f".{number}",
        geometry=Geometry.from_parts((slices, 4, 4), (10, 1, 1), direction_lps=direction),
        overrides={**ONE_SERIES, **overrides},
    )  # fmt: skip


def found(volume: Volume) -> dict[str, Finding]:
    return {finding.code: finding for finding in volume.findings}


@pytest.mark.parametrize(
    ("attribute", "value", "word"),
    [
        ("StudyInstanceUID", "1.3", "study"),
        ("PatientID", "OTHER", "patient"),
        ("FrameOfReferenceUID", "1.8", "frame of reference"),
        ("PatientPosition", "HFP", "patient position"),
    ],
)
def test_two_scans_under_one_series_uid(
    tmp_path: Path, attribute: str, value: str, word: str
) -> None:
    write(tmp_path, 12)
    write(tmp_path, 11, **{attribute: value})
    volume = read_dicom(tmp_path)
    assert np.unique(volume.array).tolist() == [12]
    finding = found(volume)["mixed_series"]
    assert finding.severity == "warn"
    assert f"differ in {word}: 12 axial slices were taken, 11 axial left out" in finding.message
    assert "series_chosen" not in found(volume)  # --series could not tell them apart


def test_mixed_orientations(tmp_path: Path) -> None:
    write(tmp_path, 12)
    write(tmp_path, 20, CORONAL)
    volume = read_dicom(tmp_path)
    assert volume.array.shape == (12, 4, 4)
    assert "differ in orientation" in found(volume)["mixed_series"].message
    assert "20 coronal left out" in found(volume)["mixed_series"].message


@pytest.mark.parametrize("attribute", ["PatientID", "PatientPosition", "FrameOfReferenceUID"])
def test_what_some_files_lack_does_not_split_a_scan(tmp_path: Path, attribute: str) -> None:
    write_series(
        tmp_path, np.zeros((12, 4, 4)), overrides=ONE_SERIES,
        per_slice=lambda k: {attribute: ""} if k % 3 else {},
    )  # fmt: skip
    volume = read_dicom(tmp_path)
    assert volume.array.shape == (12, 4, 4)
    assert volume.findings == ()


@pytest.mark.parametrize("attribute", ["StudyInstanceUID", "PatientID"])
def test_what_differs_in_every_file_says_nothing(tmp_path: Path, attribute: str) -> None:
    write_series(
        tmp_path, np.zeros((12, 4, 4)), overrides=ONE_SERIES,
        per_slice=lambda k: {attribute: f"1.7.{k}"},
    )  # fmt: skip
    assert read_dicom(tmp_path).array.shape == (12, 4, 4)


def test_two_studies_of_one_patient(tmp_path: Path) -> None:
    write(tmp_path, 12)
    write(tmp_path, 11, SeriesInstanceUID="1.2.4", StudyInstanceUID="1.3", SeriesNumber=2)
    finding = found(read_dicom(tmp_path))["several_studies"]
    assert finding.severity == "warn"
    assert "of 2 studies; series 1 'CHEST' was taken (12 slices)" in finding.message
    assert "several_studies" not in found(read_dicom(tmp_path, "2"))


def test_two_patients_are_counted_and_not_named(tmp_path: Path) -> None:
    write(tmp_path, 12)
    write(tmp_path, 11, SeriesInstanceUID="1.2.4", PatientID="SECRET", SeriesNumber=2)
    volume = read_dicom(tmp_path)
    assert "of 2 patients (1 study)" in found(volume)["several_studies"].message
    everything = repr([volume.findings, volume.series, scan_folder(tmp_path)])
    assert "SECRET" not in everything and "PHANTOM" not in everything


def test_two_series_of_one_study_are_no_surprise(tmp_path: Path) -> None:
    write(tmp_path, 12)
    write(tmp_path, 11, SeriesInstanceUID="1.2.4", SeriesNumber=2)
    assert set(found(read_dicom(tmp_path))) == {"series_chosen"}


@pytest.mark.parametrize(
    ("position", "code", "words"),
    [
        ("HFS", None, ""), ("FFS", None, ""), ("", None, ""),
        ("HFP", "prone", "prone (PatientPosition HFP)"),
        ("FFP", "prone", "prone"),
        ("HFDR", "decubitus", "on the right side"),
        ("FFDL", "decubitus", "on the left side"),
    ],
)  # fmt: skip
def test_how_the_patient_lay(tmp_path: Path, position: str, code: str | None, words: str) -> None:
    write(tmp_path, PatientPosition=position)
    findings = found(read_dicom(tmp_path))
    assert set(findings) == (set() if code is None else {code})
    if code is not None:
        assert words in findings[code].message and findings[code].severity == "note"


@pytest.mark.parametrize("direction", [np.eye(3), np.diag([-1.0, -1.0, 1.0])])
@pytest.mark.parametrize("position", ["HFP", "FFS", "HFDL"])
def test_a_picture_may_be_turned_whatever_the_position(
    tmp_path: Path, direction: Any, position: str
) -> None:
    """PatientPosition is for annotation: scanners turn the pictures of prone patients or not."""
    write(tmp_path, direction=direction, PatientPosition=position)
    assert "position_conflict" not in found(read_dicom(tmp_path))


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        (["L", "P"], ""), (["LA", "PL"], ""), ([""], ""), (["X", "P"], ""),
        (["R", "P"], "rows run to the patient's R, by ImageOrientationPatient to L"),
        (["L", "F"], "columns run to the patient's F, by ImageOrientationPatient to P"),
    ],
)  # fmt: skip
def test_patient_orientation_against_the_direction_cosines(
    tmp_path: Path, letters: list[str], words: str
) -> None:
    write(tmp_path, PatientOrientation=letters)
    findings = found(read_dicom(tmp_path))
    assert ("position_conflict" in findings) == bool(words)
    if words:
        assert words in findings["position_conflict"].message


@pytest.mark.parametrize(
    ("overrides", "severity"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}, "note"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "warn"),
        ({"SeriesDescription": "Thorax MinIP"}, "warn"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "warn"),
    ],
)
def test_images_made_from_others(
    tmp_path: Path, overrides: dict[str, object], severity: str
) -> None:
    write(tmp_path, **overrides)
    findings = found(read_dicom(tmp_path))
    assert {code: finding.severity for code, finding in findings.items()} == {
        "derived_series": severity
    }


def test_lossy_images_are_derived_by_definition(tmp_path: Path) -> None:
    write(tmp_path, ImageType=["DERIVED", "PRIMARY", "AXIAL"], LossyImageCompression="01")
    assert set(found(read_dicom(tmp_path))) == {"lossy"}


@pytest.mark.parametrize(
    "overrides",
    [{"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "VMI"]},
     {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MAT_REMOVED"]}, {"RescaleType": "HU_MOD"}],
)  # fmt: skip
def test_hu_computed_from_two_energies(tmp_path: Path, overrides: dict[str, object]) -> None:
    write(tmp_path, **overrides)
    assert found(read_dicom(tmp_path))["modified_hu"].severity == "note"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"RescaleType": "Z_EFF"}, "effective atomic numbers"),
        ({"RescaleType": "MGML"}, "mg/ml"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "ELECTRON_DENSITY"]}, "electron"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]}, "blood flow"),
    ],
)
def test_maps_of_other_quantities_are_refused(
    tmp_path: Path, overrides: dict[str, object], words: str
) -> None:
    write(tmp_path, **overrides)
    with pytest.raises(IntensityError, match=words):
        read_dicom(tmp_path)


def test_a_map_beside_a_ct_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 12)
    write(tmp_path, 40, SeriesInstanceUID="1.2.4", RescaleType="Z_EFF", SeriesNumber=2)
    volume = read_dicom(tmp_path)
    assert np.unique(volume.array).tolist() == [12]
    assert volume.findings == ()
    assert "atomic numbers" in str(volume.series[1]["reason"])


def test_stacks_of_one_multi_frame_file(tmp_path: Path) -> None:
    """Two stacks that lie apart are two scans, though all frames are parallel."""
    hu = np.arange(9 * 16).reshape(9, 4, 4)
    write_multiframe(tmp_path / "x.dcm", hu, stacks=[1] * 6 + [2] * 3)
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu[:6])
    assert "differ in StackID" in found(volume)["mixed_series"].message


def test_temporal_positions_of_one_multi_frame_file(tmp_path: Path) -> None:
    hu = np.arange(4 * 16).reshape(4, 4, 4)
    write_multiframe(tmp_path / "x.dcm", np.concatenate([hu, hu + 100]), times=2)
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert "temporal position 1 (4 slices)" in found(volume)["duplicate_slices"].message


@pytest.mark.parametrize(
    ("overrides", "spacing"),
    [
        ({"ImagerPixelSpacing": [0.5, 0.6]}, (0.5, 0.6)),
        ({"NominalScannedPixelSpacing": [0.5, 0.6]}, (0.5, 0.6)),
        ({"ReconstructionDiameter": 360}, (90.0, 90.0)),
    ],
)
@pytest.mark.parametrize("missing", [None, [0, 0]])
def test_what_stands_in_for_pixel_spacing(
    tmp_path: Path, overrides: dict[str, object], spacing: tuple[float, float], missing: Any
) -> None:
    write(tmp_path, PixelSpacing=missing, **overrides)
    volume = read_dicom(tmp_path)
    assert volume.geometry.spacing_zyx_mm[1:] == pytest.approx(spacing)
    (finding,) = volume.findings
    assert (finding.code, finding.severity) == ("pixel_spacing_assumed", "warn")
    assert next(iter(overrides)) in finding.message and next(iter(overrides)) in finding.repair
