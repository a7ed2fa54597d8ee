from __future__ import annotations

from pathlib import Path

import pytest

from tests.phantom import Phantom, chest
from tests.scans import Pleura, caller, save


@pytest.fixture
def pleura(capsys: pytest.CaptureFixture[str]) -> Pleura:
    """`pleura(*arguments)` in this process."""
    return caller(capsys)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return chest((6, 64, 64), (48.0, 6.0, 6.0))


@pytest.fixture(scope="session")
def scan(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("scan") / "chest.nii.gz", phantom.hu, phantom.geometry)
