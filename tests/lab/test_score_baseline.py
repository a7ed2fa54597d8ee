"""The baseline's scans are found by the references' names, nnU-Net's channel numbers included."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from pleura.errors import UsageError
from pleura.lab.evaluate import EvaluateOptions
from pleura.lab.score_baseline import evaluate_baseline
from pleura.volume import sitk_image
from tests.phantom import chest


@pytest.fixture
def folders(tmp_path):
    """A folder of scans, one of them called as nnU-Net does, and one of references."""
    phantom = chest((20, 96, 96), (14.0, 4.0, 4.0))
    for folder in ("scans", "references"):
        (tmp_path / folder).mkdir()
    scan, labels = (sitk_image(array, phantom.geometry) for array in (phantom.hu, phantom.labels))
    for name, ending in (("a", "_0000"), ("b", "")):
        sitk.WriteImage(scan, tmp_path / "scans" / f"{name}{ending}.nii.gz")
        sitk.WriteImage(labels, tmp_path / "references" / f"{name}.nii.gz")
    return tmp_path / "scans", tmp_path / "references"


def test_scans_with_a_channel_number_are_found(folders):
    rows = evaluate_baseline(*folders, EvaluateOptions())
    assert [(row["name"], row["error"]) for row in rows] == [("a", None), ("b", None)]
    assert all(row["structures"]["lungs"]["dice"] > 0.9 for row in rows)


def test_a_missing_scan_is_a_row_with_its_reason(folders):
    (folders[0] / "b.nii.gz").unlink()
    rows = evaluate_baseline(*folders, EvaluateOptions())
    assert rows[0]["error"] is None
    assert "no scan for 'b'" in rows[1]["error"]["message"]


def test_no_scan_at_all_is_refused(folders):
    for path in folders[0].iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(UsageError, match=r"No scan in .* has a reference's name"):
        evaluate_baseline(*folders, EvaluateOptions())
