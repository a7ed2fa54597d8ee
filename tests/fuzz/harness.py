"""Starts workers, notices when one hangs or dies, goes on behind the guilty case, counts."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.fuzz.cases import KINDS, case
from tests.fuzz.worker import EXCEPTION, LITTER, MEMORY, SENTENCE

HANG, CRASH = "hang", "crash"
FAULTS = (CRASH, HANG, MEMORY, EXCEPTION, SENTENCE, LITTER)
PLEURA = "tests.fuzz.reader:read"
_START_SECONDS = 120.0
_MOST_FAULTS = 300  # a worker that dies takes seconds to replace


@dataclass(frozen=True)
class Options:
    """What is run: cases `first` to `first + cases`, by `workers` processes."""

    cases: int
    first: int = 0
    workers: int = 1
    reader: str = PLEURA
    hang_seconds: float = 5.0


@dataclass(frozen=True)
class Fault:
    number: int
    kind: str
    outcome: str
    detail: str

    def __str__(self) -> str:
        return f"case {self.number} ({self.kind}): {self.outcome}\n{self.detail}"


@dataclass
class Report:
    """Counts by (kind, outcome); cases that made a library write to standard error; faults."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    noisy: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        return self.counts.total()

    def add(self, number: int, kind: str, outcome: str, detail: str) -> None:
        self.counts[kind, outcome] += 1
        if outcome in FAULTS:
            self.faults.append(Fault(number, kind, outcome, detail))

    def merge(self, other: Report) -> None:
        self.counts += other.counts
        self.noisy += other.noisy
        self.faults += other.faults
        self.slowest = max(self.slowest, other.slowest)

    def table(self) -> str:
        """Counts by format and outcome, as Markdown."""
        outcomes = sorted({o for _, o in self.counts} - set(FAULTS)) + list(FAULTS)
        rows = [["format", *outcomes, "all", "noisy"]]
        rows.append(["---"] + ["--:"] * (len(rows[0]) - 1))
        for kind in KINDS:
            numbers = [self.counts[kind, outcome] for outcome in outcomes]
            rows.append([kind, *map(str, numbers), str(sum(numbers)), str(self.noisy[kind])])
        totals = [sum(self.counts[kind, outcome] for kind in KINDS) for outcome in outcomes]
        rows.append(["all", *map(str, totals), str(sum(totals)), str(self.noisy.total())])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def fuzz(options: Options, folder: Path) -> Report:
    """Run all cases; files lie in memory where the system has such a folder, else in `folder`."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else folder
    whole, began = Report(), time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="pleura-fuzz-", dir=parent) as name,
        ThreadPoolExecutor(options.workers) as pool,
    ):
        places = range(options.workers)
        for share in [pool.submit(_share, options, place, Path(name)) for place in places]:
            whole.merge(share.result())
    whole.faults.sort(key=lambda fault: fault.number)
    whole.seconds = time.perf_counter() - began
    return whole


def _share(options: Options, index: int, folder: Path) -> Report:
    """Every n-th case, by one worker after another."""
    found = Report()
    end = options.first + options.cases
    number, suspect = options.first + index, -1
    while number < end and len(found.faults) < _MOST_FAULTS:
        with _Worker(options, (number, end), folder / f"worker{index}") as worker:
            number, why = worker.follow(found)
        if number >= end or why == MEMORY:
            continue
        # A machine busy with something else looks like a hang, so a hang must happen twice.
        if why == HANG and suspect != number:
            suspect = number
            continue
        found.add(number, case(number).kind, why, worker.last_words)
        number += options.workers
    return found


class StartError(Exception):
    """A worker ended, or did nothing, before its first case."""


class _Worker:
    """One process, its pipe and its folder."""

    def __init__(self, options: Options, numbers: tuple[int, int], folder: Path) -> None:
        self._options, self._next, self._end = options, *numbers
        self._folder, self._ready = folder, False
        self.last_words = ""

    def __enter__(self) -> _Worker:
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "tmp").mkdir(parents=True)
        self._pipe, theirs = os.pipe()
        command: Sequence[object] = (
            sys.executable, "-m", "tests.fuzz.worker", self._options.reader, self._folder, theirs,
            self._next, self._end, self._options.workers,
        )  # fmt: skip
        one = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
        )
        environment = {
            **os.environ, **one, "TMPDIR": str(self._folder / "tmp"), "MALLOC_ARENA_MAX": "2",
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        }  # fmt: skip
        with (self._folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=errors,
                stderr=errors, pass_fds=[theirs], env=environment, cwd=self._folder,
            )  # fmt: skip
        os.close(theirs)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        code = self._process.wait()
        os.close(self._pipe)
        errors = (self._folder / "errors").read_text(errors="replace")
        self.last_words = f"exit code {code}\n{errors[-1500:]}"
        if not self._ready:
            raise StartError(self.last_words)

    def follow(self, found: Report) -> tuple[int, str]:
        """Count until the worker ends; returns (the number it was at, why it ended)."""
        buffer, seconds = b"", _START_SECONDS
        while True:
            ready, _, _ = select.select([self._pipe], [], [], seconds)
            if not ready:
                return self._next, HANG
            got = os.read(self._pipe, 1 << 16)
            if not got:
                return self._next, CRASH
            *lines, buffer = (buffer + got).split(b"\n")
            seconds = self._options.hang_seconds
            for line in lines:
                if self._count(found, json.loads(line)) == MEMORY:
                    return self._next, MEMORY

    def _count(self, found: Report, values: list[Any]) -> str:
        if values == ["ready"]:
            self._ready = True
            return ""
        number, kind, outcome, detail, said, seconds = values
        found.add(number, kind, outcome, detail)
        found.noisy[kind] += said
        found.slowest = max(found.slowest, (seconds, number))
        self._next = number + self._options.workers
        return str(outcome)
