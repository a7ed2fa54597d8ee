"""Markdown of a benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.lab.benchmark.record import RANDOM_WEIGHTS, benchmark_record
from pleura.lab.benchmark.table import to_markdown
from tests.lab.benchmark.fake_results import results, setting


@pytest.fixture
def text(tmp_path: Path) -> str:
    weights = tmp_path / "r231.pth"
    weights.write_bytes(b"weights")
    return to_markdown(benchmark_record(setting(weights), results()))


def test_warnings_come_first(text: str) -> None:
    assert text.splitlines()[2] == f"**{RANDOM_WEIGHTS}**"


@pytest.mark.parametrize(
    "line",
    [
        "## one: 512 x 512 x 275 voxels of 0.7 x 0.7 x 1 mm",
        "| floor | 1.00 (1.00 to 1.00) | 1.90 (1.90 to 1.90) | 400 (400 to 400) | - | - |",
        "| pleura, model lungs 0.1.0, onnxruntime fp32 | 3.00 (2.00 to 4.00) | "
        "5.70 (3.80 to 7.60) | 400 (400 to 400) | 2.10 (2.00 to 2.20) | 500 |",
        "- pleura / floor: 3.00 (2.00 to 4.00)",
        "- lungmask / pleura: 40.00 (30.00 to 50.00)",
        "- lungmask without its post-processing / pleura: 20.00 (15.00 to 25.00)",
        "| pleura, s | postprocess | read | other |",
        "| cold | 1.50 | - | 0.20 |",
        "| warm | - | 1.10 | 1.00 |",
        "| against the reference | Dice | HD95 (mm) | ASSD (mm) | NSD at 2 mm |",
        "| pleura, lungs | 0.9877 | inf | 0.50 | 1.0000 |",
        "- pleura failed: two.nii is no CT; give one.",
        "- Machine: Abacus 2, 2 cores, 24 GB, Linux 6",
        "- lungmask's environment: python 3.11.7, lungmask 0.2.22",
        "- Command: `pleura benchmark 'my scan.nii.gz'`",
    ],
)
def test_lines(text: str, line: str) -> None:
    assert line in text.splitlines()


def test_a_ratio_that_is_unknown_is_left_out(text: str) -> None:
    assert ", warm:" not in text
    assert text.count("pleura / floor") == 1  # not of the scan where pleura failed


def test_one_round_has_no_range() -> None:
    record = benchmark_record(setting(None), results())
    wall = record["scans"][0]["tools"]["floor"]["cold"]["wall_s"]
    wall["n"] = 1
    assert "| floor | 1.00 | 1.90 (" in to_markdown(record)
