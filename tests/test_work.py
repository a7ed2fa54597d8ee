"""Guards against slow code that count work and memory, not seconds, so that they can't flake."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pleura import Geometry, Volume
from pleura.segmenter import Segmenter, SegmentOptions
from tests.engines import threshold_segmenter
from tests.phantom import chest
from tests.scans import save

ITSELF = "import sys; from pleura.cli import entry; sys.argv[0] = 'pleura'; entry()"


def thin_chest(slices: int, side: int) -> tuple[np.ndarray, Geometry]:
    """A chest of 1 mm slices with noise: abdomen, lungs and neck as in a scan of 400 mm."""
    coarse = chest((max(1, slices // 8), 64, 64), (8.0, 6.0, 6.0)).hu
    times = side // 64
    hu = coarse.repeat(8, axis=0).repeat(times, axis=1).repeat(times, axis=2)
    hu = np.concatenate([hu, hu[-1:].repeat(slices - len(hu), axis=0)])
    rng = np.random.default_rng(0)
    for plane in hu:
        plane += rng.integers(-30, 31, plane.shape, dtype=np.int16)
    return hu, Geometry.from_parts(hu.shape, (1.0, 384 / side, 384 / side))


@pytest.fixture(scope="module")
def bundled() -> Segmenter:
    return Segmenter()


def test_thin_slices_are_seen_in_slabs(bundled: Segmenter) -> None:
    hu, geometry = thin_chest(96, 64)
    work = bundled.segment(Volume(hu, geometry)).record["network"]
    assert work["slices"] == 96
    assert work["slabs"] == 32
    assert 0 < work["pixels"] <= 32 * 256 * 256


def test_on_real_ct_the_neck_and_the_belly_are_skipped(bundled: Segmenter, examples: Path) -> None:
    work = bundled.segment(examples / "chest.nii.gz").record["network"]
    assert work["slices"] == work["slabs"] == 133  # of 2.5 mm
    assert 105 <= work["inferred"] <= 125  # lungs reach over 106 slices


@pytest.mark.parametrize(("probabilities", "most"), [(False, 2.3), (True, 3.3)])
def test_full_resolution_is_copied_block_by_block(probabilities: bool, most: float) -> None:
    """Beside the scan itself, a segmentation holds what it gives and a few blocks of slices."""
    hu, geometry = thin_chest(200, 512)
    volume, segmenter = Volume(hu, geometry), threshold_segmenter()
    assert segmenter.engine.threads == 1
    tracemalloc.start()
    try:
        result = segmenter.segment(volume, SegmentOptions(probabilities=probabilities))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.mask.array.any()
    copies = peak / result.mask.array.nbytes
    assert copies < most, f"{copies:.1f} bytes a voxel; 1 is the mask, 1 are probabilities"


def peak_memory_mb(scan: Path, folder: Path) -> float:
    """Of a whole `pleura segment`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ITSELF, "segment", str(scan), "--json", "-o", "mask.nii.gz"],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    record = json.loads(done.stdout)
    assert record["volumes_ml"]["total"] > 0
    peak: float = record["peak_memory_mb"]
    return peak


def test_300_slices_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    scan = save(tmp_path / "scan.nii", *thin_chest(300, 512))
    assert peak_memory_mb(scan, tmp_path) < 1000


@pytest.mark.slow
def test_1000_slices_take_less_than_two_gigabytes(tmp_path: Path) -> None:
    scan = save(tmp_path / "scan.nii.gz", *thin_chest(1000, 512))
    assert peak_memory_mb(scan, tmp_path) < 2000
