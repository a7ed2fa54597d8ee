from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.benchmark.stand_in import lungmask_stand_in
from tests.scans import save, small


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    phantom = small()
    return save(tmp_path_factory.mktemp("scan") / "chest.nii.gz", phantom.hu, phantom.geometry)


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder with a stand-in for lungmask."""
    return lungmask_stand_in(tmp_path / "stand_in")
