"""`pleura benchmark`, in real processes, with a stand-in for lungmask."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pleura.record import Record, schema
from tests.lab.benchmark.stand_in import asked_of, interpreter_with, lungmask_stand_in
from tests.phantom import Phantom
from tests.scans import Pleura, names, save

ONCE = ("--repeats", "1", "--warm-repeats", "0", "--threads", "1")


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    return lungmask_stand_in(tmp_path / "stand_in")


@pytest.fixture
def references(tmp_path: Path, phantom: Phantom) -> Path:
    """LUNA16's numbers: 4 right, 3 left."""
    (tmp_path / "references").mkdir()
    numbers = np.array([0, 4, 3, 0], dtype=np.uint8)
    save(tmp_path / "references" / "chest.nii.gz", numbers[phantom.labels], phantom.geometry)
    return tmp_path / "references"


def test_the_whole_way_with_random_weights(
    pleura: Pleura, scan: Path, stand_in: Path, references: Path, here: Path
) -> None:
    run = pleura(
        "benchmark", scan, "--repeats", "1", "--warm-repeats", "1", "--threads", "1",
        "--install-lungmask", stand_in, "--references", references, "--ref-labels", "luna16",
        "--output", here / "out", "--json",
    )  # fmt: skip
    assert run.code == 0, run.err
    record: Record = run.json
    jsonschema.validate(record, schema("benchmark"))
    assert next(iter(record)) == "schema_version"
    assert record["lungmask"]["weights"] == "random" and "RANDOM" in record["warnings"][0]
    (found,) = record["scans"]
    assert found["scan"] == str(scan) and found["grid"]["shape_zyx"] == [6, 64, 64]
    for tool in found["tools"].values():
        assert tool["error"] is None
        cold = tool["cold"]
        assert (
            0 < sum(cold["stages_s"].values()) == pytest.approx(cold["wall_s"]["median"], abs=0.02)
        )
        assert cold["peak_memory_mb"]["median"] > 30
    assert set(found["ratios"]) == {
        "pleura_to_floor", "lungmask_to_pleura", "warm_lungmask_to_pleura",
        "lungmask_without_postprocessing_to_pleura",
        "warm_lungmask_without_postprocessing_to_pleura",
    }  # fmt: skip
    assert all(ratio["n"] == 1 for ratio in found["ratios"].values())
    assert list(found["accuracy"]) == ["pleura"]  # random weights have no answer to score
    assert found["accuracy"]["pleura"]["structures"]["left"]["dice"] > 0.5
    rounds = run.err.splitlines()
    assert len(rounds) == 6 and rounds[1].startswith("chest, round 1 of 1: floor ")
    assert names(here) == ["out", "out/benchmark.json", "out/benchmark.md"]
    assert json.loads((here / "out" / "benchmark.json").read_text()) == record
    assert "LUNGMASK'S WEIGHTS ARE RANDOM" in (here / "out" / "benchmark.md").read_text()


def test_given_weights_an_interpreter_and_a_batch(
    pleura: Pleura, scan: Path, stand_in: Path, references: Path, here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (here / "r231.pth").write_bytes(b"weights")
    python = interpreter_with(stand_in, sys.executable)
    arguments = [
        "benchmark", str(scan), *ONCE, "--lungmask", str(python), "--lungmask-weights", "r231.pth",
        "--lungmask-batch", "20", "--references", str(references),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["pleura", *arguments])
    run = pleura(*arguments)
    assert run.code == 0, run.err
    assert asked_of(stand_in)[-1] == {
        "model": "R231", "weights": "r231.pth", "cpu": True, "batch": 20,
    }  # fmt: skip
    assert "RANDOM" not in run.out and "| lungmask 0.2.22, weights r231.pth, batch 20 |" in run.out
    assert "| pleura, left | " in run.out and "| lungmask, left | " in run.out
    assert f"- Command: `pleura benchmark {scan} --repeats 1 " in run.out
    assert names(here) == ["r231.pth"]


def test_without_lungmask(pleura: Pleura, scan: Path, here: Path) -> None:
    run = pleura("benchmark", scan, *ONCE)
    assert run.code == 0
    assert "**lungmask is left out; add --lungmask PYTHON or" in run.out
    assert "- pleura / floor: " in run.out and "lungmask / pleura" not in run.out
    assert names(here) == []


def test_a_lungmask_that_fails_is_one_sentence(
    pleura: Pleura, scan: Path, here: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "crash")
    run = pleura("benchmark", scan, *ONCE, "--install-lungmask", stand_in, "--json")
    assert run.code == 0 and "Traceback" not in run.out + run.err
    jsonschema.validate(run.json, schema("benchmark"))
    tools = run.json["scans"][0]["tools"]
    assert tools["lungmask"]["cold"] is None
    assert tools["lungmask"]["error"] == "lungmask failed: RuntimeError: the network is on strike."
    assert tools["pleura"]["cold"] is not None and tools["floor"]["cold"] is not None


def test_a_scan_that_is_none_does_not_stop_the_others(
    pleura: Pleura, scan: Path, here: Path
) -> None:
    shutil.copy(__file__, here / "bad.nii.gz")
    run = pleura("benchmark", here / "bad.nii.gz", scan, *ONCE)
    assert run.code == 0
    bad, good = run.out.split("## chest")
    assert "- pleura failed: " in bad and "bad.nii.gz" in bad and "pleura / floor" in good
    assert pleura("benchmark", here / "bad.nii.gz", *ONCE).code == 1


WRONG = {
    "no scan": ([], "SCANS"),
    "missing": (["none.nii.gz"], "none.nii.gz does not exist"),
    "repeats": (["{scan}", "--repeats", "0"], "--repeats must be 1 or more"),
    "threads": (["{scan}", "--threads", "-1"], "--threads"),
    "engine": (["{scan}", "--engine", "steam"], "steam"),
    "model": (["{scan}", "--model", "no such"], "no such"),
    "two lungmasks": (
        ["{scan}", "--lungmask", "python", "--install-lungmask", "x"], "not both",
    ),
    "no lungmask": (["{scan}", "--lungmask", "/none/python"], "/none/python is no program"),
    "weights alone": (["{scan}", "--lungmask-weights", "{scan}"], "needs --lungmask"),
    "references": (["{scan}", "--references", "none"], "not a folder"),
    "other references": (["{scan}", "--references", "."], "has the name of a scan"),
    "output": (["{scan}", "--output", "{scan}"], "is a file"),
}  # fmt: skip


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls(pleura: Pleura, scan: Path, here: Path, case: str, as_json: bool) -> None:
    arguments, words = WRONG[case]
    filled = [word.replace("{scan}", str(scan)) for word in arguments]
    run = pleura("benchmark", *filled, *["--json"] * as_json)
    assert run.code == (1 if case == "model" else 2)
    run.assert_one_sentence()
    assert words in run.err and names(here) == []
    if as_json:
        jsonschema.validate(run.json, schema("error"))


def test_ctrl_c(pleura: Pleura, scan: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pleura.lab.benchmark.runner.run", interrupted)
    run = pleura("benchmark", scan, *ONCE, "--json")
    assert run.code == 130 and run.json["error"]["code"] == "interrupted"


def test_help_tells_the_options(pleura: Pleura) -> None:
    run = pleura("benchmark", "--help")
    out = " ".join(run.out.replace("│", " ").split())
    assert run.code == 0 and "For research, not a medical device." in out
    assert "beside the least a tool can take" in out
    for option in ("--repeats", "--warm-repeats", "--threads", "--model", "--engine",
                   "--precision", "--device", "--lungmask", "--install-lungmask",
                   "--lungmask-weights", "--lungmask-batch", "--lungmask-repeats", "--references",
                   "--ref-labels", "--timeout", "--output", "--json"):  # fmt: skip
        assert option in out
