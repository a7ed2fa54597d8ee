"""Loading and running an engine leaves no trace at home: neither library may report anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
import numpy as np
from pleura.infer.engine import EngineOptions, load_engine
from pleura.infer.model_folder import open_model
engine = load_engine(open_model(), EngineOptions({name!r}, "fp32", 1))
engine(np.zeros((1, 1, 64, 64), np.float32))
assert engine.name == {name!r} and {name!r} in sys.modules
assert "openvino_telemetry" not in sys.modules
"""
IMPORT_TELEMETRY = """
import openvino_telemetry
assert openvino_telemetry.Telemetry
"""


def run_at(home: Path, code: str, **more: str) -> None:
    """In a process that believes to be at nobody's desk but a user's, not in CI."""
    places = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "CI", "ORT_DISABLE_TELEMETRY")
    environment = {key: value for key, value in os.environ.items() if key not in places}
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**environment, "HOME": str(home), **more}
    )


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_nothing_is_written_at_home(tmp_path: Path, name: str) -> None:
    run_at(tmp_path, RUN.format(name=name))
    assert list(tmp_path.iterdir()) == []


def test_others_can_import_the_telemetry_afterwards(tmp_path: Path) -> None:
    run_at(tmp_path, RUN.format(name="openvino") + IMPORT_TELEMETRY)


@pytest.mark.parametrize("before", ["0", None])
def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    from pleura.infer.quiet_imports import import_onnxruntime

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "x")
    if before is None:
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    else:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", before)
    import_onnxruntime()
    assert os.environ.get("ORT_DISABLE_TELEMETRY") == before


def test_the_command_line_leaves_out_what_it_never_uses(tmp_path: Path) -> None:
    code = "from pleura.imports import claim_process\nclaim_process()\n"
    run_at(
        tmp_path,
        code + RUN.format(name="openvino") + "assert 'openvino.tools.ovc' not in sys.modules",
    )
