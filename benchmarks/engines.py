"""Time the inference engines on one network: engine x precision x batch size x threads.

    python benchmarks/engines.py --batch 1 4 8 --threads 1 2 --rounds 5

Prints Markdown: ms a slice (median and least over all rounds), seconds to load (import, read,
compile) and to answer the first batch, peak memory. Each line is measured in fresh processes, one
at a time, in turn and again (`--rounds`), so that a machine that changes meanwhile hits all alike.
Nothing else should run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from pleura import PleuraError
from pleura.infer.choice import FASTEST_FIRST, EngineOptions, choices
from pleura.infer.cpu import cpu_features
from pleura.infer.engine import load_engine
from pleura.infer.model_folder import open_model
from pleura.lab.benchmark.machine import machine_record
from pleura.record import peak_memory_mb, versions

HEAD = (
    "| engine | precision | batch | threads | ms a slice | least | load s | first batch s | MB |",
    "|---|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Case:
    """One line of the table; `calls` are timed in each process, after one that isn't."""

    model: str
    engine: str
    precision: str
    batch: int
    threads: int
    shape: tuple[int, int]
    calls: int
    device: str = "cpu"


def measure(case: Case) -> dict[str, Any]:
    """One process's part: load, first batch, then `calls` batches of noise."""
    import numpy as np

    size = (case.batch, 1, *case.shape)
    images = np.random.default_rng(0).random(size, dtype=np.float32)
    options = EngineOptions(case.engine, case.precision, case.threads, case.device)
    marks = [time.perf_counter()]
    engine = load_engine(open_model(case.model), options)
    marks.append(time.perf_counter())
    for _ in range(1 + case.calls):
        engine(images)
        marks.append(time.perf_counter())
    load_s, first_s, *calls_s = np.diff(marks).tolist()
    return {
        "threads": engine.threads,
        "load_s": load_s,
        "first_s": first_s,
        "slice_ms": [seconds / case.batch * 1e3 for seconds in calls_s],
        "peak_mb": peak_memory_mb(),
    }


def measured_apart(case: Case) -> dict[str, Any]:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_rounds(cases: list[Case], rounds: int) -> list[dict[str, Any]]:
    """Each case once a round, every round begins one later; a record a case."""
    found: dict[Case, list[dict[str, Any]]] = {case: [] for case in cases}
    for number in range(rounds):
        first = number % len(cases)
        for case in cases[first:] + cases[:first]:
            found[case].append(measured_apart(case))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [{**asdict(case), **summary(runs)} for case, runs in found.items()]


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Several processes' measurements of one case as one."""
    slice_ms = [ms for run in runs for ms in run["slice_ms"]]
    return {
        "threads": runs[0]["threads"],  # what the engine took
        "slice_ms": median(slice_ms),
        "slice_ms_least": min(slice_ms),
        "load_s": median(run["load_s"] for run in runs),
        "first_s": median(run["first_s"] for run in runs),
        "peak_mb": max((run["peak_mb"] for run in runs if run["peak_mb"]), default=None),
        "runs": runs,
    }


def table(records: list[dict[str, Any]]) -> list[str]:
    lines = list(HEAD)
    for r in records:
        peak = "-" if r["peak_mb"] is None else f"{r['peak_mb']:.0f}"
        lines.append(
            f"| {r['engine']} | {r['precision']} | {r['batch']} | {r['threads']} | "
            f"{r['slice_ms']:.1f} | {r['slice_ms_least']:.1f} | {r['load_s']:.2f} | "
            f"{r['first_s']:.2f} | {peak} |"
        )
    return lines


def wanted(arguments: argparse.Namespace) -> list[Case]:
    """What the model and this CPU can do, of what was asked for."""
    files = open_model(arguments.model).spec.files
    possible = choices(EngineOptions(device=arguments.device), files, cpu_features())
    rows = [row for row in FASTEST_FIRST[arguments.device] if row in possible]
    if arguments.only:
        rows = [row for row in rows if f"{row.engine}:{row.precision}" in arguments.only]
    return [
        Case(
            arguments.model, row.engine, row.precision, batch, threads,
            tuple(arguments.shape), arguments.calls, arguments.device,
        )
        for row, batch, threads in product(rows, arguments.batch, arguments.threads)
    ]  # fmt: skip


def machine() -> dict[str, Any]:
    """The benchmark's record of it, the CPU's instructions and the libraries' versions."""
    return {**machine_record(), "features": sorted(cpu_features()), "versions": versions()}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lungs", help="bundled name or model folder")
    parser.add_argument("--shape", type=int, nargs=2, default=(192, 256), help="of a slice")
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=[0], help="0: all cores")
    parser.add_argument("--device", default="cpu", choices=sorted(FASTEST_FIRST))
    parser.add_argument("--only", nargs="+", metavar="ENGINE:PRECISION")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=6, help="timed calls in each process")
    parser.add_argument("--json", type=Path, help="every measurement, too")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser


def main() -> int:
    arguments = parser().parse_args()
    if arguments.case is not None:
        print(json.dumps(measure(Case(**json.loads(arguments.case)))))
        return 0
    about = {**machine(), "command": "python " + " ".join(sys.argv)}
    try:
        records = in_rounds(wanted(arguments), arguments.rounds)
    except PleuraError as error:
        print(error, file=sys.stderr)
        return error.exit
    print(f"{about['cpu']}, {about['cores']} cores ({', '.join(about['features']) or 'plain'}), ")
    height, width = arguments.shape
    print(f"load {about['load_before']} before; slices of {height} x {width}; ")
    print(", ".join(f"{name} {number}" for name, number in about["versions"].items()))
    print(f"\n    {about['command']}\n")
    print("\n".join(table(records)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({**about, "lines": records}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
