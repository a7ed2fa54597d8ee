"""A structured report says what was measured, and dcmqi reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from pleura import measure
from pleura.labels import MERGED_LABELS, PLEURA_LABELS
from pleura.volume import Mask
from tests.tools import dicom_errors, run_tool
from tests.write.dicom.series import Scan, phantom_scan, real_scan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return phantom_scan(tmp_path_factory.mktemp("sr") / "ct")


def written(scan: Scan, folder: Path) -> Path:
    objects = scan.objects()
    objects.write_seg(folder / "seg.dcm")
    objects.write_sr(folder / "sr.dcm", "warn")
    return folder / "sr.dcm"


def by_dcmqi(path: Path) -> dict[str, dict[str, float]]:
    """Name of a group -> name of a measurement with its derivation -> value."""
    target = path.with_suffix(".json")
    run_tool("tid1500reader", "--inputDICOM", path, "--outputMetadata", target)
    groups = json.loads(target.read_text())["Measurements"]
    return {
        group["TrackingIdentifier"]: {
            " ".join(
                [item["quantity"]["CodeMeaning"]]
                + [item[k]["CodeMeaning"] for k in ("derivationModifier",) if k in item]
            ): float(item["value"])
            for item in group["measurementItems"]
        }
        for group in groups
    }


def assert_says(path: Path, scan: Scan) -> None:
    told = by_dcmqi(path)
    rows = {
        r["structure"]: r for r in measure(scan.volume, scan.mask).rows() if r["region"] == "all"
    }
    assert told.keys() >= {"right lung", "left lung"}
    for name in ("right", "left"):
        group, row = told[f"{name} lung"], rows[name]
        assert group["Volume"] == pytest.approx(row["volume_ml"], abs=1e-3)
        assert group["Mass"] == pytest.approx(row["mass_g"], abs=1e-3)
        assert group["Attenuation Coefficient Mean"] == pytest.approx(row["mean_hu"], abs=1e-3)
        assert group["Attenuation Coefficient Median"] == row["median_hu"]
        assert group["Lung volume below -950 HU"] == pytest.approx(row["laa950_percent"], abs=1e-3)
        assert len(group) == 10


def test_phantom(scan: Scan, tmp_path: Path) -> None:
    path = written(scan, tmp_path)
    assert_says(path, scan)
    assert dicom_errors(path) == set()


def test_real_series(shared_data: Path, tmp_path: Path) -> None:
    scan = real_scan(shared_data)
    path = written(scan, tmp_path)
    assert_says(path, scan)
    assert dicom_errors(path) == set()


def test_it_refers_to_the_seg(scan: Scan, tmp_path: Path) -> None:
    path = written(scan, tmp_path)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    report = pydicom.dcmread(path)
    found = []

    def look(dataset: pydicom.Dataset, element: pydicom.DataElement) -> None:
        if element.keyword == "ReferencedSOPInstanceUID" and element.value == seg.SOPInstanceUID:
            found.append(dataset.get("ReferencedSegmentNumber"))

    report.walk(look)
    assert {1, 2} <= set(found)
    assert report.StudyInstanceUID == seg.StudyInstanceUID
    text = str(report)
    assert "Warning: look at the findings" in text and "Lung reaches the edge of the scan" in text


def test_merged_and_empty(scan: Scan, tmp_path: Path) -> None:
    merged = Mask((scan.mask.array > 0).astype("uint8"), scan.mask.geometry, MERGED_LABELS)
    path = written(Scan(scan.path, scan.volume, merged), tmp_path)
    assert by_dcmqi(path)["lungs"]["Volume"] > 100
    empty = Mask(scan.mask.array * 0, scan.mask.geometry, PLEURA_LABELS)
    path = written(Scan(scan.path, scan.volume, empty), tmp_path)
    assert dicom_errors(path) == set()
