"""STL, OBJ and GLB hold the same surfaces; assimp reads them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pleura.errors import OutputError, UsageError
from pleura.labels import PLEURA_LABELS
from pleura.volume import Mask
from pleura.write import SURFACE_SUFFIXES, atomic
from pleura.write.surfaces import surfaces_of, write_surfaces
from tests.phantom import chest
from tests.scans import names
from tests.tools import run_tool
from tests.write.dicom.series import real_scan


def phantom_mask() -> Mask:
    phantom = chest((40, 90, 90), (7.0, 4.0, 4.0))
    return Mask(phantom.labels, phantom.geometry, PLEURA_LABELS)


def triangles(path: Path) -> np.ndarray:
    """Of a binary STL, (n, 3 corners, 3 coordinates)."""
    data = path.read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, 80)[0])
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])
    return np.frombuffer(data, kind, count, 84)["corners"].astype(float)


def volume_ml(corners: np.ndarray) -> float:
    """By the divergence theorem; about a point near by, since corners are float32."""
    a, b, c = (corners - corners.mean(axis=(0, 1))).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6000)


def by_assimp(path: Path) -> np.ndarray:
    """The triangles that assimp reads, which it writes as an STL of its own."""
    target = path.with_name(f"{path.suffix[1:]}-by-assimp.stlb")
    told = run_tool("assimp", "export", path, target, "-fstlb")
    assert target.exists(), told
    return triangles(target)


@pytest.mark.parametrize("suffix", SURFACE_SUFFIXES)
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    assert_round_trip(phantom_mask(), tmp_path / f"lungs{suffix}")


@pytest.mark.parametrize("suffix", SURFACE_SUFFIXES)
def test_real_series(shared_data: Path, tmp_path: Path, suffix: str) -> None:
    assert_round_trip(real_scan(shared_data).mask, tmp_path / f"lungs{suffix}")


def assert_round_trip(mask: Mask, path: Path) -> None:
    write_surfaces(mask, path)
    corners = by_assimp(path)
    lungs = (mask.array == 1) | (mask.array == 2)
    assert volume_ml(corners) == pytest.approx(lungs.sum() * mask.geometry.voxel_ml, rel=0.005)
    surfaces = surfaces_of(mask)
    bounds = np.stack([mesh.bounds for mesh in surfaces.values()])
    assert len(corners) == sum(len(mesh.faces) for mesh in surfaces.values())
    assert np.allclose(corners.min(axis=(0, 1)), bounds[:, 0].min(axis=0), atol=1e-3)
    assert np.allclose(corners.max(axis=(0, 1)), bounds[:, 1].max(axis=0), atol=1e-3)


def test_names(tmp_path: Path) -> None:
    for suffix in (".obj", ".glb"):
        write_surfaces(phantom_mask(), tmp_path / f"lungs{suffix}")
        told = run_tool("assimp", "info", tmp_path / f"lungs{suffix}")
        assert re.search(r"right.lung", told) and re.search(r"left.lung", told), told


def test_empty(tmp_path: Path) -> None:
    empty = Mask(phantom_mask().array * 0, phantom_mask().geometry, PLEURA_LABELS)
    with pytest.raises(UsageError, match="empty, so it has no surface"):
        write_surfaces(empty, tmp_path / "lungs.stl")


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "_flush", full)
    with pytest.raises(OutputError, match="No space left"):
        write_surfaces(phantom_mask(), tmp_path / "lungs.stl")
    assert names(tmp_path) == []
