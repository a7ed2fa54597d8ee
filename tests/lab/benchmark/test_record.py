"""The JSON object and its schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pleura.lab.benchmark.record import NO_LUNGMASK, RANDOM_WEIGHTS, benchmark_record
from pleura.record import Record, schema
from tests.lab.benchmark.fake_results import results, setting

SCHEMA = jsonschema.Draft202012Validator(schema("benchmark"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "r231.pth"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def record(weights: Path) -> Record:
    found: Record = json.loads(json.dumps(benchmark_record(setting(weights), results())))
    return found


def test_it_follows_its_schema(record: Record) -> None:
    jsonschema.Draft202012Validator.check_schema(schema("benchmark"))
    SCHEMA.validate(record)
    assert next(iter(record)) == "schema_version"


def test_numbers(record: Record) -> None:
    scan, failed = record["scans"]
    cold = scan["tools"]["pleura"]["cold"]
    assert cold["wall_s"] == {"median": 3.0, "min": 2.0, "max": 4.0, "n": 2}
    assert cold["cpu_s"]["median"] == 5.7 and cold["peak_memory_mb"]["max"] == 400.0
    assert cold["stages_s"] == {"postprocess": 1.5, "other": 0.2}
    assert [one["wall_s"] for one in cold["rounds"]] == [2.0, 4.0]
    warm = scan["tools"]["pleura"]["warm"]
    assert warm["call_s"]["median"] == 2.1 and warm["first_s"] == 3.0
    assert warm["stages_s"] == {"read": 1.1, "other": 1.0}
    assert scan["ratios"]["lungmask_to_pleura"] == {"median": 40.0, "min": 30, "max": 50, "n": 2}
    halved = scan["ratios"]["lungmask_without_postprocessing_to_pleura"]
    assert halved == {"median": 20.0, "min": 15.0, "max": 25.0, "n": 2}
    assert scan["ratios"]["warm_lungmask_to_pleura"] is None
    assert scan["accuracy"]["pleura"]["structures"]["lungs"]["hd95_mm"] is None
    assert failed["grid"] is None and failed["tools"]["pleura"]["cold"] is None
    assert set(failed["ratios"].values()) == {None} and failed["accuracy"] == {}


def test_random_weights_are_said_loudly(weights: Path) -> None:
    found = benchmark_record(setting(weights), results())
    assert found["warnings"] == [RANDOM_WEIGHTS] and found["lungmask"]["weights"] == "random"
    assert RANDOM_WEIGHTS.startswith("LUNGMASK'S WEIGHTS ARE RANDOM")
    given = benchmark_record(setting(weights, random=False), results())
    assert given["warnings"] == [] and given["lungmask"]["weights"] == "given"
    assert len(given["lungmask"]["weights_sha256"]) == 64


def test_what_is_missing_or_disturbing_is_said() -> None:
    found = benchmark_record(setting(None, load_before=2.1), results())
    assert found["lungmask"] is None
    assert found["warnings"][0] == NO_LUNGMASK
    assert "busy" in found["warnings"][1] and "load 2.1 on 2 cores" in found["warnings"][1]
    SCHEMA.validate(json.loads(json.dumps(found)))


def places(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Of every object whose keys aren't free, the path to it."""
    if isinstance(node, list):
        return [p for i, item in enumerate(node) for p in places(item, (*path, i))]
    if not isinstance(node, dict):
        return []
    free = path and path[-1] in ("versions", "stages_s", "structures", "lungs")
    own = [] if free else [path]
    return own + [p for key, value in node.items() for p in places(value, (*path, key))]


def at(record: Record, path: tuple[str | int, ...]) -> Any:
    node: Any = record
    for step in path:
        node = node[step]
    return node


def test_the_schema_is_strict(record: Record) -> None:
    """It knows every key; and no key may be missing, but for tools and scores that needn't be."""
    for path in places(record):
        more = copy.deepcopy(record)
        at(more, path)["surprise"] = 1
        assert not SCHEMA.is_valid(more), path
        for key in at(record, path):
            if (key == "lungmask" and path) or path[-1:] == ("accuracy",):
                continue
            less = copy.deepcopy(record)
            del at(less, path)[key]
            assert not SCHEMA.is_valid(less), (path, key)
