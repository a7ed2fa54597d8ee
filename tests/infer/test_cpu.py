from __future__ import annotations

import os
from pathlib import Path

import pytest

from pleura.infer.cpu import available_cores, cpu_features

HEAD = "processor\t: 0\nvendor_id\t: x\nmodel name\t: a CPU without avx512_bf16\nflags\t\t: fpu "


@pytest.mark.parametrize(
    ("flags", "features"),
    [
        ("sse2 avx2", set()),
        ("avx2 avx_vnni", {"vnni"}),
        ("avx512f avx512_vnni", {"vnni"}),
        ("avx512f avx512_bf16 avx512_vnni amx_tile", {"vnni", "bf16"}),
    ],
)
def test_features_are_read_from_the_flags(tmp_path: Path, flags: str, features: set[str]) -> None:
    (tmp_path / "cpuinfo").write_text(f"{HEAD}{flags}\nbugs\t\t: none\n\n")
    assert cpu_features(tmp_path / "cpuinfo") == features


def test_nothing_is_known_elsewhere(tmp_path: Path) -> None:
    assert cpu_features(tmp_path / "missing") == frozenset()
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd asimddp bf16\n")
    assert cpu_features(tmp_path / "arm") == frozenset()


def test_cores_of_this_process() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
