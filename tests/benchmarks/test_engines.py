"""The engines' benchmark measures each line in processes of its own and prints them as a table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_two_engines_in_two_rounds(tmp_path: Path) -> None:
    command = [
        sys.executable, str(ROOT / "benchmarks" / "engines.py"), "--shape", "32", "64",
        "--batch", "2", "--threads", "1", "--rounds", "2", "--calls", "3",
        "--only", "onnxruntime:fp32", "openvino:fp32", "--json", str(tmp_path / "engines.json"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "benchmarks/engines.py --shape 32 64" in done.stdout
    assert done.stdout.count("fp32 | 2 | 1 |") == 2
    kept = json.loads((tmp_path / "engines.json").read_text())
    assert {"cpu", "cores", "memory_gb", "load_before", "versions", "command"} < kept.keys()
    assert [line["engine"] for line in kept["lines"]] == ["openvino", "onnxruntime"]
    for line in kept["lines"]:
        assert len(line["runs"]) == 2 and all(len(run["slice_ms"]) == 3 for run in line["runs"])
        assert 0 < line["slice_ms_least"] <= line["slice_ms"]
        assert line["load_s"] > 0 and line["first_s"] > 0 and line["peak_mb"] > 20
