"""Fixtures that every test may use."""

from __future__ import annotations

import os
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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


_ALLOWED_SKIPS = ("../shared", "GPU", "a CPU with")
_surprising_skips: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In CI a missing tool must not hide a test: only shared data, GPU or CPU may be missing."""
    if report.skipped and isinstance(report.longrepr, tuple) and os.environ.get("CI") == "true":
        reason = report.longrepr[2]
        if not any(word in reason for word in _ALLOWED_SKIPS):
            _surprising_skips.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _surprising_skips:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _surprising_skips:
        terminalreporter.write_line(f"FAILED in CI, since it was skipped: {line}")
