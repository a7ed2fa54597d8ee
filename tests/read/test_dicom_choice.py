"""Which series is chosen, and what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pleura.errors import NotCTError, UsageError
from pleura.read.dicom import choose_series, read_dicom, scan_folder
from pleura.volume import Geometry
from tests.dicom_phantom import write_series

CORONAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
SCOUT = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}


def add(
    folder: Path, number: int, slices: int = 12, step: float = 10.0,
    *, direction: Any = None, **options: Any,
) -> str:  # fmt: skip
    """A series of 4 x 4 slices of one study, all filled with its number."""
    options.setdefault("study_uid", "1.2.3")
    geometry = Geometry.from_parts((slices, 4, 4), (step, 1, 1), direction_lps=direction)
    hu = np.full((slices, 4, 4), number)
    return write_series(folder, hu, geometry, series_number=number, suffix=f".{number}", **options)


def chosen(folder: Path) -> int | None:
    return choose_series(scan_folder(folder)).number


def test_two_series_and_a_localizer(tmp_path: Path) -> None:
    add(tmp_path, 1, 2, direction=CORONAL, overrides=SCOUT)
    add(tmp_path, 2, 12, 10)
    add(tmp_path, 3, 60, 2, description="LUNG")
    volume = read_dicom(tmp_path)
    assert volume.array.shape == (60, 4, 4)
    assert np.unique(volume.array).tolist() == [3]
    (finding,) = volume.findings
    assert (finding.code, finding.severity) == ("series_chosen", "note")
    assert "series 3 'LUNG'" in finding.message
    assert "series 2 'CHEST': thicker slices (10.0 mm)" in finding.message
    assert [(s["number"], s["chosen"]) for s in volume.series] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert "localizer" in str(volume.series[0]["reason"])
    assert volume.series[2] == {
        "uid": volume.series[2]["uid"], "number": 3, "description": "LUNG", "modality": "CT",
        "orientation": "axial", "n_slices": 60, "shape": [60, 4, 4],
        "spacing_zyx_mm": [2.0, 1.0, 1.0], "kernel": "", "slice_thickness_mm": 2.0,
        "chosen": True, "reason": "fits best: axial, 2.0 mm slices over 120 mm",
    }  # fmt: skip


def test_a_localizer_in_the_same_series_does_not_break_the_stack(tmp_path: Path) -> None:
    uid = add(tmp_path, 1, 12, overrides={"FrameOfReferenceUID": "1.2.3"})
    add(
        tmp_path, 2, 1, direction=CORONAL,
        overrides={**SCOUT, "SeriesInstanceUID": uid, "FrameOfReferenceUID": "1.2.3"},
    )  # fmt: skip
    volume = read_dicom(tmp_path)
    assert np.unique(volume.array).tolist() == [1]
    assert not volume.findings
    assert [s["orientation"] for s in volume.series] == ["axial", "coronal"]


def test_a_frame_of_reference_of_its_own_for_each_file_says_nothing(tmp_path: Path) -> None:
    add(tmp_path, 1, 12, per_slice=lambda k: {"FrameOfReferenceUID": f"1.2.{k}"})
    assert read_dicom(tmp_path).array.shape == (12, 4, 4)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"overrides": {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}}, {}),
        ({"description": "CHEST MIP"}, {}),
        ({"direction": CORONAL, "slices": 200, "step": 1.0}, {}),
        ({"slices": 2, "step": 100.0}, {}),
        ({"description": "CHEST", "slices": 5, "step": 2.0}, {"description": "BODY"}),
        ({"description": "HEAD"}, {"description": ""}),
        ({"description": ""}, {"description": "Thorax nativ"}),
        ({"description": "x", "overrides": {"BodyPartExamined": "ABDOMEN"}}, {"description": "y"}),
        ({"slices": 60, "step": 2.0}, {"slices": 30, "step": 10.0}),
        ({"step": 5.0, "slices": 60}, {"step": 1.5, "slices": 200}),
        ({"slices": 20}, {"slices": 21}),
    ],
)  # fmt: skip
def test_the_second_series_is_better(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    add(tmp_path, 1, **first)
    add(tmp_path, 2, **second)
    assert chosen(tmp_path) == 2


def test_ties_go_to_the_lower_number(tmp_path: Path) -> None:
    for number in (7, 5, 6):
        add(tmp_path, number)
    assert chosen(tmp_path) == 5


def test_an_imperfect_series_is_better_than_none(tmp_path: Path) -> None:
    add(tmp_path, 1, 2, direction=CORONAL, overrides={"ImageType": ["DERIVED", "SECONDARY", "MPR"]})
    assert read_dicom(tmp_path).array.shape == (2, 4, 4)


def test_the_wanted_series_is_taken(tmp_path: Path) -> None:
    uid = add(tmp_path, 1)
    add(tmp_path, 2, 60, 2)
    for wanted in ("1", uid, " 1 "):
        volume = read_dicom(tmp_path, wanted)
        assert np.unique(volume.array).tolist() == [1]
        assert not volume.findings
        assert volume.series[0]["reason"] == "asked for"
        assert volume.series[1]["reason"] == "not the series asked for"


def test_an_unknown_series_lists_what_exists(tmp_path: Path) -> None:
    add(tmp_path, 1)
    add(tmp_path, 2, description="LUNG")
    with pytest.raises(UsageError, match=r"'9'.*series 1 'CHEST' \(CT, 12 slices\).*2 'LUNG'"):
        read_dicom(tmp_path, "9")


def test_a_wanted_localizer_says_why_not(tmp_path: Path) -> None:
    add(tmp_path, 1, 2, direction=CORONAL, overrides=SCOUT)
    add(tmp_path, 2)
    with pytest.raises(NotCTError, match="localizer"):
        read_dicom(tmp_path, "1")


def test_other_modalities_are_named(tmp_path: Path) -> None:
    add(tmp_path, 1, modality="MR")
    add(tmp_path, 2, modality="PT")
    with pytest.raises(NotCTError, match="MR, PT, not CT"):
        read_dicom(tmp_path)


def test_a_damaged_series_is_mentioned_when_another_is_used(tmp_path: Path) -> None:
    add(tmp_path, 1, names="numbered")
    add(tmp_path, 2, 60, 2, names="numbered")
    whole = (tmp_path / "0001.2").read_bytes()
    (tmp_path / "0001.2").write_bytes(whole[:-5])
    volume = read_dicom(tmp_path)
    assert np.unique(volume.array).tolist() == [1]
    assert [(f.code, f.severity) for f in volume.findings] == [("series_unusable", "warn")]
    assert "'0001.2' is cut off" in volume.findings[0].message


def test_files_are_in_the_order_of_their_positions(tmp_path: Path) -> None:
    add(tmp_path, 1, names="numbered")
    (series,) = scan_folder(tmp_path)
    assert [file.name for file in series.files] == [f"{k:04d}.1" for k in range(1, 13)]
    assert (series.rows, series.columns, series.coverage_mm) == (4, 4, 120.0)


def test_a_number_that_two_series_share_is_no_answer(tmp_path: Path) -> None:
    hu = np.random.default_rng(0).integers(-1024, 1000, (4, 16, 16), dtype=np.int16)
    uids = [write_series(tmp_path / name, hu, series_number=1) for name in ("a", "b")]
    with pytest.raises(UsageError, match="UID") as caught:
        read_dicom(tmp_path, "1")
    assert all(uid in str(caught.value) for uid in uids)
    assert read_dicom(tmp_path, uids[1]).array.shape == (4, 16, 16)


def test_series_of_one_name_are_told_apart_by_their_uids(tmp_path: Path) -> None:
    uids = [
        write_series(
            tmp_path, np.zeros((slices, 4, 4)), study_uid="1.2", suffix=f".{slices}",
            geometry=Geometry.from_parts((slices, 4, 4), (10, 1, 1)),
        )
        for slices in (12, 11)
    ]  # fmt: skip
    (finding,) = read_dicom(tmp_path).findings
    assert f"series 1 'CHEST' (UID {uids[0]}) was taken" in finding.message
    assert f"series 1 'CHEST' (UID {uids[1]}): fewer slices (11)" in finding.message


def test_the_kept_slice_says_whether_a_series_is_derived(tmp_path: Path) -> None:
    """Copies of a slice may be derived; what counts is what is used."""
    add(tmp_path, 1, overrides={"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]})
    copies = {"InstanceNumber": 99, "ImageType": ["DERIVED", "SECONDARY", "AXIAL"],
              "SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.5"}  # fmt: skip
    add(tmp_path, 2, 1, overrides=copies)
    add(tmp_path, 3, 12, overrides={"SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.5"})
    assert not next(s for s in scan_folder(tmp_path) if s.uid == "1.2.3.4").derived


@pytest.mark.parametrize("wanted", [None, "3"])
def test_every_slice_a_series_of_its_own(tmp_path: Path, wanted: str | None) -> None:
    for number in range(1, 8):
        add(tmp_path, number, 1)
    volume = read_dicom(tmp_path, wanted)
    assert volume.array.shape == (1, 4, 4)
    findings = {finding.code: finding for finding in volume.findings}
    assert findings["single_slices"].severity == "fail"
    assert "(7 series of one slice" in findings["single_slices"].message
    if wanted is None:
        listed = findings["series_chosen"].message
        assert listed.count("equal, but listed later") == 3 and "and 3 more" in listed


def test_single_slices_of_other_planes_are_no_scan_taken_apart(tmp_path: Path) -> None:
    for number in range(1, 5):
        add(tmp_path, number, 1)
    for number in range(5, 9):
        add(tmp_path, number, 1, direction=CORONAL)
    for number in range(9, 12):
        add(tmp_path, number, 1, overrides={"PixelSpacing": [2, 2]})
    codes = {finding.code for finding in read_dicom(tmp_path).findings}
    assert codes == {"series_chosen"}


def test_scans_beside_single_slices_are_taken_without_alarm(tmp_path: Path) -> None:
    add(tmp_path, 1, 12)
    for number in range(2, 10):
        add(tmp_path, number, 1)
    assert {finding.code for finding in read_dicom(tmp_path).findings} == {"series_chosen"}
