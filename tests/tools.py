"""Other people's programs, as oracles."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run_tool(name: str, *arguments: object) -> str:
    """What a program prints, both outputs together; skips where it isn't installed."""
    beside = Path(sys.executable).parent / name  # where pip puts dcmqi's
    program = str(beside) if beside.exists() else shutil.which(name)
    if program is None:
        pytest.skip(f"needs {name}, which is not installed")
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    return done.stdout.decode(errors="replace")


def dicom_errors(path: Path) -> set[str]:
    """What dciodvfy (David Clunie's dicom3tools) calls an error in a file."""
    lines = run_tool("dciodvfy", path).splitlines()
    assert lines, "dciodvfy said nothing"
    return {line for line in lines if line.startswith("Error")}
