"""Every benchmark starts the way that its own first lines say."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [p for p in sorted((ROOT / "benchmarks").glob("*.py")) if "def main(" in p.read_text()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_documented_call_works(file: Path) -> None:
    usage = ast.get_docstring(ast.parse(file.read_text())) or ""
    words = next(line for line in usage.splitlines() if "python " in line).split()[1:]
    script = words[:2] if words[0] == "-m" else words[:1]
    assert file.stem in script[-1]
    run = subprocess.run(
        [sys.executable, *script, "--help"], cwd=ROOT, capture_output=True, text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("usage: ") and usage.splitlines()[0][:40] in run.stdout
