"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pleura.infer.cpu import available_cores

_BUSY = 0.5  # of a core, on average over the last minute


def machine_record() -> dict[str, Any]:
    """Processor, cores, memory in GB (10^9 bytes), system, and its load before the first run."""
    load = os.getloadavg()[0]
    return {
        "cpu": cpu_name(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(load, 2),
    }


def is_busy(machine: Mapping[str, Any]) -> bool:
    """True when something else was running, which would slow the tools unevenly."""
    return bool(machine["load_before"] > _BUSY)


def cpu_name() -> str:
    """The processor's model as Linux names it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
