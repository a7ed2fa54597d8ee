from __future__ import annotations

import time

import pytest

from pleura.clock import Clock


def test_stages_are_timed_apart_and_the_total_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.5, 4.0, 4.25, 10.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    clock = Clock()
    for stage in ("read", "infer"):
        with clock(stage):
            pass
    assert clock.seconds == {"read": 2.5, "infer": 0.25}
    assert clock.total == 10.0
