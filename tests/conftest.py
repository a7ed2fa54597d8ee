"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real CT beside the repository; tests that need it skip without."""
    if not (SHARED / "split.csv").exists():
        pytest.skip("needs the real CT of ../shared/data, which is not here")
    return SHARED


@pytest.fixture(scope="session")
def examples() -> Path:
    """The real CT that ships with the repository."""
    return ROOT / "examples"
