"""Masks against references by scan name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab.benchmark.accuracy import References
from tests.scans import save, small

PHANTOM = small()
LUNGS = np.where(PHANTOM.labels == 3, 0, PHANTOM.labels).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "references").mkdir()
    luna16 = np.array([0, 4, 3], dtype=np.uint8)[LUNGS]
    save(tmp_path / "references" / "chest_seg.nii.gz", luna16, PHANTOM.geometry)
    return tmp_path / "references"


def test_scores(folder: Path, tmp_path: Path) -> None:
    references = References.of(folder, ["chest_0000"], "luna16")
    mask = save(tmp_path / "mask.nii.gz", LUNGS, PHANTOM.geometry)
    row = references.score("chest_0000", mask, "pleura")
    assert row is not None and row["structures"]["left"]["dice"] == 1.0
    assert references.score("other", mask, "pleura") is None
    assert References().score("chest", mask, "pleura") is None


def test_what_cannot_be_compared_is_a_row_too(folder: Path, tmp_path: Path) -> None:
    mask = save(tmp_path / "mask.nii.gz", LUNGS[1:])
    row = References.of(folder, ["chest"]).score("chest", mask, "lungmask")
    assert row is not None and row["structures"] == {}
    assert "differ" in row["error"]["message"]


def test_references_that_do_not_fit(folder: Path) -> None:
    with pytest.raises(UsageError, match="has the name of a scan"):
        References.of(folder, ["abdomen"])
    with pytest.raises(UsageError, match="Unknown label scheme 'luna'"):
        References.of(folder, ["chest"], "luna")
    with pytest.raises(UsageError, match="not a folder"):
        References.of(folder / "none", ["chest"])
