"""How much memory is free, by files as Linux has them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from pleura.errors import MemoryLimitError
from pleura.read.free_memory import check_memory, free_memory

GB = 10**9


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\nSwapFree: 1000000 kB\n"}
V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/memory"


def group(folder: str, most: object, used: int, spare: int, version: int = 2) -> dict[str, str]:
    limit, usage, cache = (
        ("memory.max", "memory.current", "inactive_file")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    )
    return {
        f"{folder}/{limit}": f"{most}\n",
        f"{folder}/{usage}": f"{used}\n",
        f"{folder}/memory.stat": f"anon 5\n{cache} {spare}\ntotal_active_file 7\n",
    }


CASES = {
    "a machine": (MACHINE, 5_000_000 * 1024),
    "elsewhere": ({}, None),
    "a job": (
        {**MACHINE, "proc/self/cgroup": "0::/jobs/7\n", **group(f"{V2}/jobs/7", 3 * GB, GB, 500)},
        2 * GB + 500,
    ),
    "a limit further up": (
        {
            "proc/self/cgroup": "0::/jobs/7\n",
            **group(f"{V2}/jobs", 3 * GB, 2 * GB, 0),
            **group(f"{V2}/jobs/7", "max", GB, 0),
        },
        GB,
    ),
    "a container that sees its group as the top": (
        {**MACHINE, "proc/self/cgroup": "0::/host/path\n", **group(V2, GB, 1000, 0)},
        GB - 1000,
    ),
    "no limit": ({**MACHINE, "proc/self/cgroup": "0::/\n", **group(V2, "max", 1, 0)}, 5120000000),
    "version 1": (
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/a\n",
            **group(f"{V1}/a", 2 * GB, GB, 100, version=1),
        },
        GB + 100,
    ),
    "more used than allowed": (
        {"proc/self/cgroup": "0::/\n", **group(V2, 100, 200, 0)},
        0,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_free(tmp_path: Path, case: str) -> None:
    files, expected = CASES[case]
    assert free_memory(write(tmp_path, files)) == expected


def test_a_limit_of_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {**MACHINE, "proc/self/statm": "1000 5 5\n"})
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100_000_000, 100_000_000))
    assert free_memory(tmp_path) == 100_000_000 - 1000 * resource.getpagesize()


def test_this_machine_has_some() -> None:
    free = free_memory()
    assert free is None or 10**6 < free < 10**15


def test_the_sentence() -> None:
    check_memory(5 * GB, "scan.nii", 5 * GB)
    with pytest.raises(
        MemoryLimitError,
        match=r"^scan\.nii needs about 12 GB of memory to be read and 8\.2 GB are free; crop it",
    ):
        check_memory(12 * GB, "scan.nii", 8_200_000_000)
