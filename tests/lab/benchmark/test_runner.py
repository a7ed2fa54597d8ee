"""Who runs when, and what becomes of failures; the children are faked."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pleura.lab.benchmark import runner
from pleura.lab.benchmark.accuracy import References
from pleura.lab.benchmark.lungmask_environment import LungmaskEnvironment
from pleura.lab.benchmark.lungmask_tool import Lungmask, LungmaskOptions
from pleura.lab.benchmark.plan import Plan
from pleura.lab.benchmark.processes import Call, Finished, RunError
from pleura.lab.benchmark.runner import Bench, ScanResult, run_benchmark
from pleura.lab.benchmark.tools import Floor, Pleura
from tests.scans import save, small

PHANTOM = small()
LUNGS = np.where(PHANTOM.labels == 3, 0, PHANTOM.labels).astype(np.uint8)


class Silent:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def running(self, _: str) -> AbstractContextManager[object]:
        return nullcontext()


class Children:
    """`processes.run` that knows what each tool would say; remembers who ran, and how."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fails: dict[str, str] = {}  # "lungmask cold 2" -> why
        self.writes = True
        self.labels = {"1": "right lung", "2": "left lung"}

    def __call__(self, call: Call, _: float) -> Finished:
        words = [str(word) for word in call.command]
        tool = next(name for name in ("lungmask", "floor", "pleura") if name in words[1] + words[2])
        kind = "warm" if "warm" in words[1] + words[2] else "cold"
        self.ran.append(f"{tool} {kind}")
        why = self.fails.get(f"{tool} {kind} {self.ran.count(f'{tool} {kind}')}")
        if why:
            raise RunError(why)
        written = (f"{tool}_{kind}.nii.gz", "pleura_before.nii.gz")
        output = next(Path(word) for word in words if word.endswith(written))
        if self.writes:
            save(output, LUNGS, PHANTOM.geometry)
        said: dict[str, Any] = {"stages_s": {"read": 0.25}}
        if tool == "pleura":
            said = {"timings_s": {"read": 0.5, "total": 0.9}, "labels": self.labels}
        if kind == "warm":
            said = {"calls": [{"seconds": s, "stages_s": {"read": 0.1}} for s in (9.0, 1.0, 2.0)]}
        return Finished(1.0, 2.0, 300.0, json.dumps(said))


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    fake = Children()
    monkeypatch.setattr(runner, "run", fake)
    return fake


def bench(folder: Path, random: bool = True, references: References | None = None) -> Bench:
    weights = folder / "w.pth"
    weights.touch()
    environment = LungmaskEnvironment("python", None, {"lungmask": "0.2.22"})
    options = LungmaskOptions("python", weights=None if random else weights)
    lungmask = Lungmask(1, environment, weights, options)
    return Bench(Floor(1), Pleura(1), lungmask, references or References())


def one(scan: Path, bench: Bench, plan: Plan, progress: Silent | None = None) -> ScanResult:
    (result,) = run_benchmark([scan], bench, plan, progress or Silent())
    return result


def test_in_turn_another_one_first_each_round(
    scan: Path, tmp_path: Path, children: Children
) -> None:
    result = one(scan, bench(tmp_path), Plan(repeats=4, warm_repeats=2, lungmask_repeats=3))
    assert children.ran == [
        "pleura cold",  # before the first round
        "floor cold", "pleura cold", "lungmask cold",
        "pleura cold", "lungmask cold", "floor cold",
        "lungmask cold", "floor cold", "pleura cold",
        "floor cold", "pleura cold",  # lungmask takes part in three rounds
        "pleura warm", "lungmask warm",
    ]  # fmt: skip
    assert [run.round for run in result.outcomes["lungmask"].cold] == [1, 2, 3]
    pleura = result.outcomes["pleura"]
    assert len(pleura.cold) == 4  # without the one before
    assert pleura.cold[0].stages_s == {"read": 0.5, "other": 0.5}
    assert pleura.warm is not None
    assert (pleura.warm.first_s, pleura.warm.seconds) == (9.0, (1.0, 2.0))
    assert result.outcomes["floor"].warm is None and not any(
        outcome.error for outcome in result.outcomes.values()
    )


def test_without_warm_calls(scan: Path, tmp_path: Path, children: Children) -> None:
    one(scan, bench(tmp_path), Plan(repeats=1, warm_repeats=0))
    assert children.ran.count("pleura warm") == children.ran.count("lungmask warm") == 0


def test_every_scan(scan: Path, tmp_path: Path, children: Children) -> None:
    other = save(tmp_path / "other.nii.gz", PHANTOM.hu, PHANTOM.geometry)
    plan = Plan(repeats=1, warm_repeats=0)
    found = run_benchmark([scan, other], bench(tmp_path), plan, Silent())
    assert [result.name for result in found] == ["chest", "other"]
    assert all(len(result.outcomes["lungmask"].cold) == 1 for result in found)


def test_a_tool_that_fails_is_out_and_others_go_on(
    scan: Path, tmp_path: Path, children: Children
) -> None:
    children.fails = {"lungmask cold 2": "MemoryError"}
    progress = Silent()
    result = one(scan, bench(tmp_path), Plan(repeats=3, warm_repeats=1), progress)
    lungmask = result.outcomes["lungmask"]
    assert lungmask.error == "lungmask failed: MemoryError."
    assert len(lungmask.cold) == 1 and children.ran.count("lungmask cold") == 2
    assert "lungmask warm" not in children.ran
    assert len(result.outcomes["pleura"].cold) == len(result.outcomes["floor"].cold) == 3
    assert "chest, round 2 of 3: lungmask failed: MemoryError" in progress.said


def test_a_warm_failure_keeps_the_cold_runs(scan: Path, tmp_path: Path, children: Children) -> None:
    children.fails = {"pleura warm 1": "it said nothing"}
    result = one(scan, bench(tmp_path), Plan(repeats=1))
    assert result.outcomes["pleura"].error == "pleura failed: it said nothing."
    assert len(result.outcomes["pleura"].cold) == 1 and "lungmask warm" in children.ran


def test_without_pleura_there_is_no_floor(scan: Path, tmp_path: Path, children: Children) -> None:
    children.fails = {"pleura cold 1": "chest.nii.gz is no CT; give one"}
    result = one(scan, bench(tmp_path), Plan(repeats=2, warm_repeats=0))
    assert children.ran == ["pleura cold", "lungmask cold", "lungmask cold"]
    assert result.outcomes["pleura"].error == "pleura failed: chest.nii.gz is no CT; give one."
    assert "no mask to write" in str(result.outcomes["floor"].error)
    assert result.segmented is None and result.outcomes["lungmask"].error is None


def test_a_mask_of_an_earlier_round_is_none_of_this_one(
    scan: Path, tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent_in_round_two(call: Call, timeout_s: float) -> Finished:
        children.writes = len(children.ran) < 4
        return children(call, timeout_s)

    monkeypatch.setattr(runner, "run", silent_in_round_two)
    result = one(scan, bench(tmp_path), Plan(repeats=2, warm_repeats=0))
    for name, outcome in result.outcomes.items():
        assert outcome.error == f"{name} failed: it wrote no mask."
        assert len(outcome.cold) == 1


def test_a_scan_that_nobody_can_open(tmp_path: Path, children: Children) -> None:
    (tmp_path / "notes").write_text("no scan")
    result = one(tmp_path / "notes", bench(tmp_path), Plan())
    assert children.ran == [] and set(result.outcomes) == {"floor", "pleura", "lungmask"}
    assert all("no DICOM" in str(outcome.error) for outcome in result.outcomes.values())


@pytest.mark.parametrize("random", [True, False])
def test_accuracy_needs_real_weights(
    scan: Path, tmp_path: Path, children: Children, random: bool
) -> None:
    reference = save(tmp_path / "chest.nii.gz", LUNGS, PHANTOM.geometry)
    references = References({"chest": reference})
    plan = Plan(repeats=1, warm_repeats=0)
    result = one(scan, bench(tmp_path, random, references), plan)
    assert list(result.accuracy) == (["pleura"] if random else ["pleura", "lungmask"])
    for row in result.accuracy.values():
        assert row["structures"]["right"]["dice"] == 1.0
    assert one(scan, bench(tmp_path, random), plan).accuracy == {}


def test_a_model_without_sides_is_compared_without(
    scan: Path, tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.lab.benchmark.test_runner.LUNGS", (LUNGS > 0).astype(np.uint8))
    children.labels = {"1": "lungs"}
    reference = save(tmp_path / "chest.nii.gz", LUNGS, PHANTOM.geometry)
    references = References({"chest": reference})
    plan = Plan(repeats=1, warm_repeats=0)
    row = one(scan, bench(tmp_path, True, references), plan).accuracy["pleura"]
    assert set(row["structures"]) == {"lungs"} and row["structures"]["lungs"]["dice"] == 1.0
