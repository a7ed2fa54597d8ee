"""What a run writes beside its checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pleura.errors import UsageError
from pleura.lab import run_folder
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


def test_a_run_from_before_an_option_is_one_with_its_default(config, run):
    table = as_json(config)
    del table["ema"], table["augment"]["enabled"], table["preprocessing"]["stretch_hu"]
    (run / "config.json").write_text(json.dumps({"config": table}))
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
    with pytest.raises(UsageError, match=r"no readable metrics\.jsonl"):
        run_folder.read_metrics(tmp_path)
    run_folder.drop_metrics_after(tmp_path, 20)
    assert run_folder.read_metrics(tmp_path) == lines[:2]


def test_without_metrics_there_is_nothing_to_drop_but_nothing_to_read(tmp_path):
    run_folder.drop_metrics_after(tmp_path, 20)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="train again"):
        run_folder.read_metrics(tmp_path)
