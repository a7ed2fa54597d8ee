"""Readers with the faults that the harness must notice, at case 3 or later."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_AT = 3
_kept: list[object] = []


def good(path: Path, number: int) -> str:
    return "read"


def raises(path: Path, number: int) -> str:
    return {}["missing"] if number == _AT else "read"


def aborts(path: Path, number: int) -> str:
    if number == _AT:
        os.abort()
    return "read"


def segfaults(path: Path, number: int) -> str:
    if number == _AT:
        ctypes.string_at(0)
    return "read"


def leaves(path: Path, number: int) -> str:
    if number == _AT:
        os._exit(0)  # as if all were well
    return "read"


def hangs(path: Path, number: int) -> str:
    if number == _AT:
        time.sleep(600)
    return "read"


def hangs_once(path: Path, number: int) -> str:
    """Another process took the processor, say; the marker outlives the worker."""
    marker = path.parent.parent.parent / "hung"
    if number == _AT and not marker.exists():
        marker.touch()
        time.sleep(600)
    return "read"


def allocates(path: Path, number: int) -> str:
    if number == _AT:
        np.ones(300 << 20, np.uint8)  # given back at once
    return "read"


def allocates_too_much(path: Path, number: int) -> str:
    if number == _AT:
        np.empty(1 << 40, np.uint8)
    return "read"


def leaks(path: Path, number: int) -> str:
    _kept.append(np.ones(80 << 20, np.uint8))
    return "read"


def litters(path: Path, number: int) -> str:
    if number == _AT:
        tempfile.mkdtemp()
    return "read"


def talks(path: Path, number: int) -> str:
    if number == _AT:
        print("libtiff: warning", file=sys.stderr)
    return "read"


def refuses(path: Path, number: int) -> str:
    return "UnreadableError"
