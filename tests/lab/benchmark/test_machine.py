"""What the machine is, and whether it rests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.lab.benchmark.machine import cpu_name, is_busy, machine_record


def test_this_machine() -> None:
    machine = machine_record()
    assert machine["cpu"] and machine["cores"] >= 1 and 0.1 < machine["memory_gb"] < 1e5
    assert machine["system"].split()[0] in ("Linux", "Darwin")


def test_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    for load, busy in ((0.05, False), (1.2, True)):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 9.0, 9.0))
        assert is_busy(machine_record()) is busy


def test_a_system_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert cpu_name()
