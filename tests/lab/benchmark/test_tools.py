"""What is wrong with pleura's row is said before anything runs."""

from __future__ import annotations

import pytest

from pleura.errors import UsageError
from pleura.lab.benchmark.tools import Pleura


def test_a_device_that_only_loading_tells_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UsageError, match="cuda needs onnxruntime-gpu"):
        Pleura(1, device="cuda").check()
    Pleura(1).check()
