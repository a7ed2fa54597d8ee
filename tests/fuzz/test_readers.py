"""Damaged files of every format are read, or refused in one sentence, and nothing else happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.harness import Options, Report, fuzz


def assert_no_fault(found: Report, cases: int) -> None:
    print(found.table())
    print(f"{found.cases} cases in {found.seconds:.0f} s; slowest {found.slowest}")
    assert not found.faults, "\n\n".join(map(str, found.faults[:10]))
    assert found.cases == cases
    outcomes = {outcome for _, outcome in found.counts}
    assert {"read", "segmented", "UnreadableError", "GeometryError", "IntensityError"} <= outcomes


def test_a_sample_of_damaged_files(tmp_path: Path) -> None:
    assert_no_fault(fuzz(Options(2_500), tmp_path), 2_500)


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files(tmp_path: Path) -> None:
    assert_no_fault(fuzz(Options(100_000, workers=2), tmp_path), 100_000)
