"""The JSON objects that `--json` prints, and their schemas."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pleura.errors import PleuraError
from pleura.volume import Geometry, Volume

SCHEMA_VERSION = 1
# Name in the record -> distributions that bring it, of which one is installed.
_VERSIONS_OF = {
    "pleura": ("pleura",),
    "numpy": ("numpy",),
    "nibabel": ("nibabel",),
    "simpleitk": ("SimpleITK",),
    "pydicom": ("pydicom",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
}

Record = dict[str, Any]


def grid_record(geometry: Geometry) -> Record:
    """The grid as numbers that any tool understands; `direction_lps` is 3x3 by rows."""
    return {
        "shape_zyx": list(geometry.shape_zyx),
        "spacing_zyx_mm": list(geometry.spacing_zyx_mm),
        "origin_lps_mm": list(geometry.origin_lps_mm),
        "direction_lps": geometry.direction_lps.tolist(),
    }


def info_record(volume: Volume, quality: Mapping[str, Any], coverage: Mapping[str, Any]) -> Record:
    """What `pleura info --json` prints: the scan as read, without model and result.

    Beside the fields it shares with `segment` it has `format`, `hu_range`, `coverage` and `series`.

    Args:
        volume: the scan.
        quality, coverage: of `quality.look`.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "input": None if volume.source is None else str(volume.source),
        "format": volume.format,
        "grid": grid_record(volume.geometry),
        "hu_range": [int(volume.array.min()), int(volume.array.max())],
        "coverage": coverage,
        "quality": quality,
        "series": [dict(series) for series in volume.series],
        "versions": versions(),
    }


def error_record(error: PleuraError) -> Record:
    """What a failure prints instead of a result."""
    return {"error": {"code": error.code, "message": str(error), "exit": error.exit}}


def versions() -> dict[str, str]:
    """Versions of pleura and of what its result depends on, as far as installed."""
    # pleura itself may be a source tree on the path, of which no version is known.
    found = {"python": sys.version.split()[0], "pleura": "unknown"}
    for name, distributions in _VERSIONS_OF.items():
        for distribution in distributions:
            with suppress(PackageNotFoundError):
                found[name] = version(distribution)
                break
    return found


def peak_memory_mb() -> float | None:
    """Peak resident memory of this process so far in MB (10^6 bytes); None where unknown.

    It counts everything the process did, not one scan alone.
    """
    try:
        # The kernel's other figure, getrusage's, starts with what the parent process held.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6, 1)
    except (OSError, ValueError, IndexError):  # no Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024), 1)


def schema(name: str) -> Mapping[str, Any]:
    """A JSON Schema of the package: "segment", "info", "prepare", "benchmark" or "error"."""
    path = Path(__file__).parent / "schemas" / f"{name}.json"
    loaded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
