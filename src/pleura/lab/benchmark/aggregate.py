"""Runs -> medians, ranges, ratios. Pure functions on numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one thing: the middle one, the range, how many."""

    median: float
    min: float
    max: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """None of nothing."""
        found = list(values)
        if not found:
            return None
        return cls(median(found), min(found), max(found), len(found))

    def record(self, digits: int = 3) -> dict[str, float]:
        return {
            "median": round(self.median, digits),
            "min": round(self.min, digits),
            "max": round(self.max, digits),
            "n": self.n,
        }


@dataclass(frozen=True)
class ColdRun:
    """One process from start to end, in one round (counted from 1); seconds and MB."""

    round: int
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    stages_s: Mapping[str, float]


@dataclass(frozen=True)
class WarmRun:
    """The calls in one process: the first, which isn't counted, and those that are."""

    first_s: float
    seconds: tuple[float, ...]
    stages_s: tuple[Mapping[str, float], ...]
    peak_memory_mb: float


@dataclass(frozen=True)
class Outcome:
    """All runs of one tool on one scan; `error` is a sentence when one failed."""

    name: str
    title: str
    cold: tuple[ColdRun, ...] = ()
    warm: WarmRun | None = None
    error: str | None = None

    def walls(self, without: str | None = None) -> dict[int, float]:
        """Seconds by round, less those of one stage."""
        return {run.round: run.wall_s - run.stages_s.get(without or "", 0.0) for run in self.cold}

    def warm_calls(self, without: str | None = None) -> list[float]:
        """Seconds of each warm call, less those of one stage."""
        if self.warm is None:
            return []
        pairs = zip(self.warm.seconds, self.warm.stages_s, strict=True)
        return [seconds - stages.get(without or "", 0.0) for seconds, stages in pairs]


def with_rest(stages: Mapping[str, float], whole: float) -> dict[str, float]:
    """The stages, and as `other` what they leave of the whole: the start of Python, imports."""
    named = {name: seconds for name, seconds in stages.items() if name != "other"}
    return {**named, "other": max(0.0, whole - sum(named.values()))}


def median_stages(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each stage over runs; a stage that a run hasn't took no time there."""
    names = dict.fromkeys(name for stages in runs for name in stages)
    return {name: median(stages.get(name, 0.0) for stages in runs) for name in names}


def paired_ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Spread | None:
    """The ratio of each round that both have, as a spread: what slows a round slows both."""
    return Spread.of(above[key] / below[key] for key in above if below.get(key))


def unpaired_ratio(above: Sequence[float], below: Sequence[float]) -> Spread | None:
    """The ratio of medians, from the smallest to the largest that two single values give."""
    if not above or not below or min(below) <= 0:
        return None
    middle = median(above) / median(below)
    n = min(len(above), len(below))
    return Spread(middle, min(above) / max(below), max(above) / min(below), n)


def ratios(outcomes: Mapping[str, Outcome]) -> dict[str, Spread | None]:
    """How many times as long one tool takes as another; None where one has no runs.

    lungmask's post-processing grows with the number of pieces in its raw mask, and random weights
    make another number of them than trained ones, so that each ratio is given without it too.
    """
    none = Outcome("", "")
    floor, pleura, lungmask = (outcomes.get(n, none) for n in ("floor", "pleura", "lungmask"))
    found = {"pleura_to_floor": paired_ratio(pleura.walls(), floor.walls())}
    for key, without in (("", None), ("_without_postprocessing", "postprocess")):
        found[f"lungmask{key}_to_pleura"] = paired_ratio(lungmask.walls(without), pleura.walls())
        warm = unpaired_ratio(lungmask.warm_calls(without), pleura.warm_calls())
        found[f"warm_lungmask{key}_to_pleura"] = warm
    return found


def spread_record(spread: Spread | None, digits: int = 3) -> dict[str, Any] | None:
    return None if spread is None else spread.record(digits)
