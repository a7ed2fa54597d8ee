"""Missing and uneven slices, gaps between them, headers that say otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pleura.findings import Finding
from pleura.read.dicom import read_dicom
from pleura.volume import Geometry
from tests.dicom_phantom import write_multiframe, write_series


def found(
    folder: Path,
    depths: Sequence[float],
    numbers: Sequence[int] | None = None,
    **overrides: object,
) -> dict[str, Finding]:
    """Findings of a series with slices at these depths (mm), as thick as they lie apart first."""

    def attributes(k: int) -> dict[str, object]:
        number = k + 1 if numbers is None else numbers[k]
        return {"ImagePositionPatient": [0, 0, depths[k]], "InstanceNumber": number}

    thickness = {"SliceThickness": depths[1] - depths[0]}
    write_series(
        folder, np.zeros((len(depths), 4, 4)), per_slice=attributes,
        overrides={**thickness, **overrides},
    )  # fmt: skip
    return {finding.code: finding for finding in read_dicom(folder).findings}


def test_even_slices_say_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, [-3.0, 0.0, 3.0, 6.0, 9.0], SpacingBetweenSlices=3) == {}


def test_rounded_positions_are_even(tmp_path: Path) -> None:
    assert found(tmp_path, [0, 0.6, 1.3, 1.9, 2.5, 3.1]) == {}


@pytest.mark.parametrize("first", [1, 9])
def test_one_and_nine_millimetres_alternating(tmp_path: Path, first: int) -> None:
    steps = [first, 10 - first] * 6 + [first]
    findings = found(tmp_path, np.cumsum([0, *steps]).tolist(), SliceThickness=1)
    assert set(findings) == {"uneven_spacing", "slice_gap"}
    finding = findings["uneven_spacing"]
    assert "alternates between 1.00 and 9.00 mm" in finding.message
    assert finding.severity == "warn" and finding.repair == "set evenly"


def test_the_mean_step_is_the_trapezoidal_rule_for_alternating_slices(tmp_path: Path) -> None:
    """The reason to keep all slices: areas weighed by half of both steps give the same volume."""
    depths = np.cumsum([0, *[1, 9] * 30, 1]).astype(float)
    found(tmp_path, depths.tolist(), SliceThickness=1)
    areas = 100 + 80 * np.sin(depths / 60)
    step = read_dicom(tmp_path).geometry.spacing_zyx_mm[0]
    inner = step * (areas.sum() - (areas[0] + areas[-1]) / 2)
    assert inner == pytest.approx(np.trapezoid(areas, depths), rel=0.01)


def test_two_blocks_of_steps(tmp_path: Path) -> None:
    depths = np.cumsum([0, *[1.0] * 5, *[5.0] * 6]).tolist()
    findings = found(tmp_path, depths)
    assert "(5.00 mm 6 times, 1.00 mm 5 times)" in findings["uneven_spacing"].message
    assert "missing_slices" not in findings


def test_lost_files_leave_a_gap_in_the_numbers(tmp_path: Path) -> None:
    findings = found(
        tmp_path, [0, 2, 4, 10, 12, 14, 18, 20, 22, 24], [1, 2, 3, 6, 7, 8, 10, 11, 12, 13]
    )
    finding = findings["missing_slices"]
    assert "3 slices missing between 4.0 and 10.0, 14.0 and 18.0 mm" in finding.message
    assert finding.severity == "warn"
    assert "uneven_spacing" not in findings


def test_mostly_missing_is_a_failure(tmp_path: Path) -> None:
    findings = found(tmp_path, [0, 2, 4, 6, 30, 32, 34], [1, 2, 3, 4, 16, 17, 18])
    assert findings["missing_slices"].severity == "fail"
    assert "11 slices missing" in findings["missing_slices"].message


def test_numbers_that_run_on_over_a_gap(tmp_path: Path) -> None:
    """Nothing was lost: the scanner made a longer step, or somebody renumbered."""
    findings = found(tmp_path, [18.1, 23.1, 28.1, 38.1])
    assert "5.00 mm, but 10.00 mm between 28.1 and 38.1 mm" in findings["uneven_spacing"].message
    assert "missing_slices" not in findings


@pytest.mark.parametrize(("thickness", "gap"), [(1, "90 %"), (6, "40 %"), (7, None), (20, None)])
def test_a_gap_between_thin_slices(tmp_path: Path, thickness: int, gap: str | None) -> None:
    findings = found(tmp_path, [0, 10, 20, 30], SliceThickness=thickness)
    if gap is None:
        assert findings == {}
    else:
        assert gap in findings["slice_gap"].message and findings["slice_gap"].severity == "note"


@pytest.mark.parametrize(("between", "said"), [(5, False), (-5, False), (7, False), (8, True),
                                               (3, True)])  # fmt: skip
def test_the_header_s_spacing_contradicts_the_positions(
    tmp_path: Path, between: int, said: bool
) -> None:
    findings = found(tmp_path, [0, 5, 10, 15], SpacingBetweenSlices=between)
    assert ("spacing_conflict" in findings) == said


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"ReconstructionDiameter": 360, "PixelSpacing": [1, 1]}, True),
        ({"ReconstructionDiameter": 360, "PixelSpacing": [90, 90]}, False),
        ({"ReconstructionDiameter": 360, "PixelSpacing": [76, 76]}, False),
        ({"ReconstructionDiameter": 360, "PixelSpacing": [70, 70]}, True),
        ({"ReconstructionDiameter": 0, "PixelSpacing": [1, 1]}, False),
        (
            {"ReconstructionDiameter": 360, "ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
            False,
        ),
    ],
)
def test_the_pixel_spacing_contradicts_the_reconstruction_diameter(
    tmp_path: Path, overrides: dict[str, object], said: bool
) -> None:
    findings = found(tmp_path, [0, 5, 10, 15], **overrides)
    assert ("spacing_conflict" in findings) == said
    if said:
        message = findings["spacing_conflict"].message
        assert "(PixelSpacing) make" in message and "ReconstructionDiameter is 360 mm" in message


def test_a_picture_may_be_less_high_than_its_diameter(tmp_path: Path) -> None:
    overrides = {"ReconstructionDiameter": 8, "SliceThickness": 1}
    write_series(tmp_path, np.zeros((3, 4, 8)), overrides=overrides)
    assert read_dicom(tmp_path).findings == ()


def test_numbers_out_of_order_are_a_note(tmp_path: Path) -> None:
    findings = found(tmp_path, [0, 1, 2, 3, 4], [1, 3, 2, 5, 4])
    assert set(findings) == {"unordered_slices"}
    assert "2 of 4 steps" in findings["unordered_slices"].message


def test_numbers_that_fall_are_in_order(tmp_path: Path) -> None:
    assert found(tmp_path, [0, 1, 2, 3], [4, 3, 2, 1]) == {}


def test_frames_have_no_numbers(tmp_path: Path) -> None:
    hu = np.arange(5 * 16).reshape(5, 4, 4)
    geometry = Geometry.from_parts(hu.shape, (3, 1, 1))
    write_multiframe(tmp_path / "x.dcm", hu, geometry, order=[3, 1, 4, 0, 2])
    assert read_dicom(tmp_path).findings == ()
