"""What a run writes beside its checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

from pleura.errors import UsageError
from pleura.lab import checkpoint, run_folder
from pleura.lab.store import Store
from tests.lab.tiny import as_json


@pytest.fixture
def run(config, tmp_path):
    run_folder.write_or_check_config(config, Store(Path(config.store)), tmp_path / "run")
    return tmp_path / "run"


def test_a_config_is_written_once_and_then_compared(config, run):
    store, before = Store(Path(config.store)), (run / "config.json").read_bytes()
    run_folder.write_or_check_config(config, store, run)
    with pytest.raises(UsageError, match="holds a run of another config"):
        run_folder.write_or_check_config(replace(config, ema=0.5), store, run)
    assert (run / "config.json").read_bytes() == before
    assert run_folder.read_config(run) == config


def test_a_place_that_holds_something_else_is_left_alone(config, tmp_path):
    store, place = Store(Path(config.store)), tmp_path / "place"
    place.write_text("mine")
    with pytest.raises(UsageError, match="place is a file; name a folder"):
        run_folder.write_or_check_config(config, store, place)
    assert place.read_text() == "mine"
    place.unlink()
    place.mkdir()
    (place / "thesis.txt").touch()
    with pytest.raises(UsageError, match="place isn't empty and holds no such run"):
        run_folder.write_or_check_config(config, store, place)
    assert [path.name for path in place.iterdir()] == ["thesis.txt"]
    (place / "thesis.txt").rename(place / ".hidden")
    run_folder.write_or_check_config(config, store, place)


def test_a_run_from_before_an_option_is_one_with_its_default(config, run):
    table = as_json(config)
    del table["ema"], table["augment"]["enabled"], table["preprocessing"]["stretch_hu"]
    (run / "config.json").write_text(json.dumps({"config": table}))  # nor does it know its split
    assert run_folder.read_config(run) == config
    run_folder.write_or_check_config(config, Store(Path(config.store)), run)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 3}', '{"config": {"steps": 0}}'])
def test_damaged_configs_are_refused(run, text):
    (run / "config.json").write_text(text)
    with pytest.raises(UsageError):
        run_folder.read_config(run)


def test_metrics_come_back_and_later_or_cut_off_lines_go(tmp_path):
    lines = [{"step": step, "dice": {"mean": 0.5}} for step in (10, 20, 30)]
    for line in lines:
        run_folder.append_metrics(tmp_path, line)
    assert run_folder.read_metrics(tmp_path) == lines
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4')
    assert run_folder.read_metrics(tmp_path) == lines
    run_folder.drop_metrics_after(tmp_path, 20)
    assert run_folder.read_metrics(tmp_path) == lines[:2]
    (tmp_path / "metrics.jsonl").write_text('{"step": 4\n{"step": 5}\n')
    with pytest.raises(UsageError, match=r"no readable metrics\.jsonl"):
        run_folder.read_metrics(tmp_path)


def test_without_metrics_there_is_nothing_to_drop_but_nothing_to_read(tmp_path):
    run_folder.drop_metrics_after(tmp_path, 20)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="train again"):
        run_folder.read_metrics(tmp_path)


def test_the_split_is_who_is_in_which_role_in_any_order(config):
    scans = Store(Path(config.store)).scans
    first, *others = scans

    def of(*scans):
        return run_folder.split_hash(SimpleNamespace(scans=scans))

    expected = of(*scans)
    assert of(*others, first) == expected
    changes = {
        "name": "other", "patient": "other", "role": "test", "source": "other", "shape": (1, 2, 3)
    }  # fmt: skip
    found = {of(replace(first, **{key: value}), *others) for key, value in changes.items()}
    assert len(found | {expected, of(*others)}) == len(changes) + 2
    assert of(replace(first, offset=7), *others) == expected


def test_another_split_is_refused(config, run):
    store = Store(Path(config.store))
    store.scans[0] = replace(store.scans[0], role="test")
    expected = r"another split of .*; name another run folder or prepare as before\.$"
    with pytest.raises(UsageError, match=expected):
        run_folder.write_or_check_config(config, store, run)
    record = json.loads((run / "config.json").read_text())
    del record["split"]
    (run / "config.json").write_text(json.dumps(record))
    run_folder.write_or_check_config(config, store, run)  # an older run may have any


@pytest.mark.parametrize(
    ("state", "patience", "finished"),
    [
        ({"step": 6, "steps": 6, "best_step": 2}, 0, True),
        ({"step": 4, "steps": 6, "best_step": 2}, 0, False),
        ({"step": 4, "steps": 6, "best_step": 2}, 2, False),
        ({"step": 6, "steps": 9, "best_step": 2}, 2, True),
        ({"step": 6, "best_step": 2}, 0, True),  # an older run doesn't say
    ],
)
def test_a_run_is_finished_by_its_steps_or_its_patience(
    config, tmp_path, state, patience, finished
):
    config = replace(config, patience=patience)
    assert not run_folder.is_finished(tmp_path, config)
    for step in (2, 4, 6, 8):
        run_folder.append_metrics(tmp_path, {"step": step})
    checkpoint.save(tmp_path / "last.safetensors", nn.Linear(1, 1), None, state)
    assert run_folder.is_finished(tmp_path, config) is finished
