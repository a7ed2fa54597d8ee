"""`pleura info`."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pleura.record import schema
from tests.dicom_phantom import write_series
from tests.example import FIRST_LUNG, example, part_of
from tests.phantom import Phantom
from tests.scans import Pleura, names, save, small


def test_text(pleura: Pleura, scan: Path, here: Path) -> None:
    run = pleura("info", scan)
    assert run.code == 0 and run.err == ""
    assert f"Scan     {scan} (nifti)" in run.out
    assert "Grid     64 x 64 x 6 voxels (x, y, z) of 6 x 6 x 48 mm" in run.out
    assert "Verdict  warn" in run.out and "warn thick_slices: Slices are 48.0 mm apart" in run.out
    assert names(here) == []


def test_json(pleura: Pleura, scan: Path, phantom: Phantom) -> None:
    run = pleura("info", scan, "--json")
    assert run.code == 0 and run.err == ""
    record = run.json
    jsonschema.validate(record, schema("info"))
    assert next(iter(record)) == "schema_version"
    assert record["hu_range"] == [int(phantom.hu.min()), int(phantom.hu.max())]
    assert record["series"] == [] and record["format"] == "nifti"


def test_coverage(pleura: Pleura, examples: Path) -> None:
    run = pleura("info", examples / "chest.nii.gz", "--json")
    coverage = run.json["coverage"]
    assert coverage["length_mm"] == 332.5 and 380 < coverage["body_width_mm"] <= 440
    ml = coverage["aerated_lung_ml"]
    assert 5700 < ml["total"] < 6000
    assert ml["total"] == pytest.approx(ml["right"] + ml["left"])
    text = pleura("info", examples / "chest.nii.gz").out
    sides = f"right {ml['right']:.0f}, left {ml['left']:.0f}"
    assert f"\nExtent   332 mm along the body, body {coverage['body_width_mm']:.0f} mm wide" in text
    assert f"\nLung     {ml['total']:.0f} ml aerated ({sides}), estimated by threshold\n" in text
    assert "Cut off" not in text


def test_where_lungs_are_cut(pleura: Pleura, tmp_path: Path) -> None:
    volume, _ = example()
    part = part_of(volume, 40, 100)
    text = pleura("info", save(tmp_path / "part.nii", part.array, part.geometry)).out
    assert "\nCut off  top, bottom: lung reaches the scan's edge there\n" in text
    assert "  warn lung_cut_off: Lung reaches the edge of the scan (top, bottom)" in text


def test_a_belly_may_be_no_chest(pleura: Pleura, tmp_path: Path) -> None:
    volume, _ = example()
    belly = part_of(volume, 0, FIRST_LUNG - 3)
    run = pleura("info", save(tmp_path / "belly.nii", belly.array, belly.geometry))
    assert run.code == 0 and "gas in the bowel" in run.out


def test_no_lung(pleura: Pleura, tmp_path: Path) -> None:
    hu = np.full((12, 64, 64), -1000, np.int16)
    hu[:, 10:50, 10:50] = np.random.default_rng(0).integers(0, 80, (12, 40, 40))
    path = save(tmp_path / "block.nii", hu)
    record = pleura("info", path, "--json").json
    jsonschema.validate(record, schema("info"))
    assert record["quality"]["verdict"] == "fail"
    assert record["quality"]["findings"][-1]["code"] == "no_lung"
    assert "\nLung     0 ml aerated (right 0, left 0), estimated by threshold\n" in (
        pleura("info", path).out
    )


def test_a_single_slice(pleura: Pleura, tmp_path: Path) -> None:
    volume, _ = example()
    part = part_of(volume, 60, 61)
    record = pleura("info", save(tmp_path / "s.nii", part.array, part.geometry), "--json").json
    jsonschema.validate(record, schema("info"))
    assert record["coverage"]["length_mm"] == 2.5
    assert "part_of_chest" in [finding["code"] for finding in record["quality"]["findings"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hu = small().hu
    write_series(tmp_path / "ct", hu, small().geometry, series_number=2, description="CHEST 1.0")
    write_series(tmp_path / "ct" / "mr", hu, series_number=3, modality="MR")
    write_series(
        tmp_path / "ct" / "flat", hu[:1], series_number=4, description="",
        overrides={"PixelSpacing": None},
    )  # fmt: skip
    return tmp_path / "ct"


def test_series_are_listed_with_reasons(pleura: Pleura, folder: Path) -> None:
    record = pleura("info", folder, "--json").json
    jsonschema.validate(record, schema("info"))
    assert [(s["number"], s["chosen"]) for s in record["series"]] == [
        (2, True), (3, False), (4, False),
    ]  # fmt: skip
    assert all(s["reason"] for s in record["series"])
    assert record["quality"]["verdict"] == "warn"
    text = pleura("info", folder).out
    assert "\n* series 2: CHEST 1.0, 4 slices, axial; " in text
    assert "\n  series 3: " in text and "(no description)" in text
    assert "PHANTOM" not in text + str(record).replace("PHANTOM^TEST", "!")


def test_series_can_be_asked_for(pleura: Pleura, folder: Path) -> None:
    run = pleura("info", folder, "--series", "3")
    assert run.code == 2 and "MR" in run.err
    run.assert_one_sentence()


def test_findings_are_shown(pleura: Pleura, tmp_path: Path) -> None:
    hu = small().hu.astype(np.float32)
    hu[:, :3, :3] = np.nan
    run = pleura("info", save(tmp_path / "padded.nii", hu))
    assert (
        run.code == 0
        and "  warn non_finite_outside_body: 36 voxels outside the body had no number" in run.out
    )


def test_a_terminal_obeys_no_file_name(pleura: Pleura, folder: Path) -> None:
    (folder / "x\x1b[31m\ny.dcm").write_bytes(bytes(128) + b"DICM" + b"\x08\x00" * 3)
    run = pleura("info", folder)
    assert run.code == 0 and r"such as 'x\x1b[31m\ny.dcm'" in run.out and "\x1b" not in run.out
