"""How much memory a scan may take: what the machine, its container and its limits leave free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pleura.errors import MemoryLimitError

_V2 = ("memory.max", "memory.current", "inactive_file ")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")


def check_memory(needed: int, where: str, free: int | None = None) -> None:
    """Refuse a scan before its voxels are allocated.

    Args:
        needed: bytes that reading will take at least.
        where: the scan, for the message.
        free: bytes; None asks the machine.

    Raises:
        MemoryLimitError: more is needed than is free.
    """
    free = free_memory() if free is None else free
    if free is not None and needed > free:
        raise MemoryLimitError(
            f"{where} needs about {_gigabytes(needed)} of memory to be read and "
            f"{_gigabytes(free)} are free; crop it or use a machine with more memory."
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2g} GB" if count < 10e9 else f"{count / 1e9:.0f} GB"


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process can still take, swap space included; None where it isn't known.

    The least of what Linux calls available, what the control groups (version 2 or 1) of a container
    or a job leave, and RLIMIT_AS.

    Args:
        root: above proc and sys; another one in tests.
    """
    return min((*_machine(root), *_groups(root), *_address_space(root)), default=None)


def _machine(root: Path) -> Iterator[int]:
    fields = dict(line.partition(":")[::2] for line in _lines(root / "proc" / "meminfo"))
    if "MemAvailable" in fields:
        kilobytes = (fields["MemAvailable"], fields.get("SwapFree", "0"))
        yield 1024 * sum(int(text.split()[0]) for text in kilobytes)


def _groups(root: Path) -> Iterator[int]:
    """What each group that this process is in leaves; groups nest, and any may have a limit."""
    for line in _lines(root / "proc" / "self" / "cgroup"):
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers not in ("", "memory"):
            continue
        top = root / "sys" / "fs" / "cgroup" / controllers
        group = PurePosixPath(path)
        # Inside a container the path may be the host's, and only the top is there.
        for inner in (group, *group.parents):
            yield from _group(top / str(inner).lstrip("/"), *(_V1 if controllers else _V2))


def _group(folder: Path, limit: str, usage: str, cache: str) -> Iterator[int]:
    most, used = (next(iter(_lines(folder / name)), "") for name in (limit, usage))
    if not most.isdigit() or not used.isdigit():  # "max", or no such file
        return
    # Pages of files count as used, but are given up for the asking.
    stat = _lines(folder / "memory.stat")
    spare = sum(int(line.removeprefix(cache)) for line in stat if line.startswith(cache))
    yield max(0, int(most) - int(used) + spare)


def _address_space(root: Path) -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = next(iter(_lines(root / "proc" / "self" / "statm")), "").split()
    if most != resource.RLIM_INFINITY and pages:
        yield max(0, most - int(pages[0]) * os.sysconf("SC_PAGE_SIZE"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
