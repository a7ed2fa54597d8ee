"""The bundled model on real scans of validation patients, against the floor that was agreed on.

Test patients are scored by hand, once an issue (docs/accuracy.md), never here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura import Segmenter
from pleura.lab.evaluate import EvaluateOptions, evaluate

# (Dice together, Dice of each side, HD95 mm) that a volume of this grade must reach
FLOOR = {"covid001": (0.988, 0.983, 3.0), "cap002": (0.960, 0.950, 5.0)}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOOR)
def test_validation_volumes(name: str, shared_data: Path) -> None:
    volumes = shared_data / "volumes"
    result = Segmenter().segment(volumes / "imagesTr" / f"{name}.nii.gz")
    row = evaluate(
        result.mask, volumes / "labelsTr" / f"{name}.nii.gz", EvaluateOptions(ref_labels="luna16")
    )
    together, side, hd95_mm = FLOOR[name]
    structures = row["structures"]
    assert structures["lungs"]["dice"] >= together
    assert structures["lungs"]["hd95_mm"] <= hd95_mm
    assert structures["lungs"]["beyond_extent_mm"] < 20
    assert min(structures["right"]["dice"], structures["left"]["dice"]) >= side


@pytest.mark.slow
def test_every_single_slice_gets_a_mask(shared_data: Path) -> None:
    """None of the 266 slices is refused; only the slices without lung may stay empty."""
    segmenter = Segmenter()
    scans = sorted((shared_data / "slices" / "images").glob("*.tif"))
    scans += sorted((shared_data / "sick_slices" / "images").glob("*.nii.gz"))
    assert len(scans) == 266
    empty = []
    for scan, result in zip(scans, segmenter.map(scans), strict=True):
        assert result.error is None, f"{scan.name}: {result.error}"
        if not result.mask.array.any():
            empty.append(scan.name)
    assert all(name.startswith(("tcga", "sbu")) for name in empty), empty
    assert len(empty) <= 7
