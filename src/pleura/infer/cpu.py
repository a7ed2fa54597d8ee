"""What the CPU offers to inference: cores that may be used, and instructions for small numbers."""

from __future__ import annotations

import os
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# Feature -> flags of /proc/cpuinfo, each of which brings it. VNNI adds products of 8-bit numbers
# without the saturation in 16 bits that costs older CPUs accuracy.
_FLAGS = {"vnni": {"avx512_vnni", "avx_vnni"}, "bf16": {"avx512_bf16"}}


def available_cores() -> int:
    """Cores that this process may run on: its affinity, as by taskset or a cpuset.

    A quota of CPU time (docker --cpus, a limit in Kubernetes) doesn't lower it.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_features(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Of "vnni" (8-bit integers) and "bf16", what the CPU computes in; nothing where unknown.

    Only Linux tells. ARM's flags have other names, since nothing was measured there.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    first = next((line for line in text.splitlines() if line.startswith("flags")), "")
    flags = set(first.partition(":")[2].split())
    return frozenset(feature for feature, any_of in _FLAGS.items() if flags & any_of)
