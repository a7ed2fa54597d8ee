"""A benchmark as one JSON object; its schema is schemas/benchmark.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pleura.findings import count_of
from pleura.lab.benchmark.aggregate import (
    Outcome,
    Spread,
    WarmRun,
    median_stages,
    ratios,
    spread_record,
)
from pleura.lab.benchmark.machine import is_busy
from pleura.lab.benchmark.plan import Plan
from pleura.lab.benchmark.runner import Bench, ScanResult
from pleura.lab.evaluate import Row
from pleura.record import SCHEMA_VERSION, Record, versions

RANDOM_WEIGHTS = (
    "LUNGMASK'S WEIGHTS ARE RANDOM: ITS SPEED IS MEASURED HERE, ITS ACCURACY IS NOT; "
    "GIVE REAL WEIGHTS WITH --lungmask-weights."
)
NO_LUNGMASK = (
    "lungmask is left out; add --lungmask PYTHON or --install-lungmask FOLDER to measure it."
)
_RATIO_DIGITS = 2
_MEMORY_DIGITS = 1


@dataclass(frozen=True)
class Setting:
    """What was called, on which machine (see `machine_record`), and how."""

    command: str
    machine: Mapping[str, Any]
    bench: Bench
    plan: Plan


def benchmark_record(setting: Setting, results: Sequence[ScanResult]) -> Record:
    """The object that `pleura benchmark --json` prints.

    Seconds are rounded to milliseconds, memory to 0.1 MB (10^6 bytes), ratios to 0.01.
    """
    bench, plan = setting.bench, setting.plan
    lungmask = bench.lungmask
    return {
        "schema_version": SCHEMA_VERSION,
        "command": setting.command,
        "machine": dict(setting.machine),
        "threads": plan.threads,
        "repeats": plan.repeats,
        "warm_repeats": plan.warm_repeats,
        "lungmask_repeats": plan.lungmask_repeats,
        "timeout_s": plan.timeout_s,
        "versions": versions(),
        "lungmask": None if lungmask is None else lungmask.record(),
        "warnings": _warnings(setting),
        "scans": [_scan(result) for result in results],
    }


def _warnings(setting: Setting) -> list[str]:
    lungmask = setting.bench.lungmask
    found = []
    if lungmask is None:
        found.append(NO_LUNGMASK)
    elif not lungmask.has_accuracy:
        found.append(RANDOM_WEIGHTS)
    if is_busy(setting.machine):
        found.append(
            "The machine was busy in the minute before the first run (load "
            f"{setting.machine['load_before']:g} on {count_of(setting.machine['cores'], 'core')}), "
            "so that all times may be too long."
        )
    return found


def _scan(result: ScanResult) -> Record:
    segmented = result.segmented
    digits = _RATIO_DIGITS
    return {
        "scan": str(result.scan),
        "name": result.name,
        "grid": None if segmented is None else segmented["grid"],
        "pleura": None if segmented is None else _chosen(segmented),
        "tools": {name: _outcome(outcome) for name, outcome in result.outcomes.items()},
        "ratios": {
            name: spread_record(ratio, digits) for name, ratio in ratios(result.outcomes).items()
        },
        "accuracy": {tool: _scores(row) for tool, row in result.accuracy.items()},
    }


def _chosen(segmented: Mapping[str, Any]) -> Record:
    """What pleura took where it was left the choice."""
    names = ("model", "engine", "device", "precision", "threads")
    return {name: segmented[name] for name in names if name in segmented}


def _outcome(outcome: Outcome) -> Record:
    cold = outcome.cold
    peak = Spread.of(run.peak_memory_mb for run in cold)
    return {
        "title": outcome.title,
        "error": outcome.error,
        "cold": None if not cold else {
            "wall_s": spread_record(Spread.of(run.wall_s for run in cold)),
            "cpu_s": spread_record(Spread.of(run.cpu_s for run in cold)),
            "peak_memory_mb": spread_record(peak, _MEMORY_DIGITS),
            "stages_s": _rounded(median_stages([run.stages_s for run in cold])),
            "rounds": [
                {
                    "round": run.round,
                    "wall_s": round(run.wall_s, 3),
                    "cpu_s": round(run.cpu_s, 3),
                    "peak_memory_mb": round(run.peak_memory_mb, _MEMORY_DIGITS),
                    "stages_s": _rounded(run.stages_s),
                }
                for run in cold
            ],
        },
        "warm": None if outcome.warm is None else _warm(outcome.warm),
    }  # fmt: skip


def _warm(warm: WarmRun) -> Record:
    return {
        "first_s": round(warm.first_s, 3),
        "call_s": spread_record(Spread.of(warm.seconds)),
        "peak_memory_mb": round(warm.peak_memory_mb, _MEMORY_DIGITS),
        "stages_s": _rounded(median_stages(warm.stages_s)),
    }


def _scores(row: Row) -> Record:
    return {
        "reference": row["reference"],
        "schemes": row["schemes"],
        "structures": row["structures"],
        "error": row["error"],
    }


def _rounded(stages: Mapping[str, float]) -> dict[str, float]:
    return {name: round(seconds, 3) for name, seconds in stages.items()}
