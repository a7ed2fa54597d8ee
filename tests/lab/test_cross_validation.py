"""Folds, trained one after the other or alone, and what they sum up to."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab import cross_validation
from pleura.lab.cross_validation import fold_runs, summed_up, train_folds
from pleura.lab.train import train
from tests.lab.tiny import StopAfter, StoppedError, assert_same_run, metrics_of

pytestmark = pytest.mark.usefixtures("narrow_network")


class Bars:
    """Makes progress bars and remembers their titles."""

    def __init__(self):
        self.titles = []

    def __call__(self, title):
        self.titles.append(title)
        return self

    def update(self, step, steps, message):
        assert 1 <= step <= steps and message


@pytest.fixture(scope="module")
def both(config, tmp_path_factory):
    """Both folds of a config: its run, the bars, the summary."""
    config = replace(config, folds=2, steps=2, steps_per_epoch=1)
    run, bars = tmp_path_factory.mktemp("folds") / "run", Bars()
    return config, run, bars, train_folds(config, run, bars)


def test_the_summary_is_that_of_the_metrics(both):
    _, run, bars, summary = both
    assert bars.titles == ["Fold 1 of 2", "Fold 2 of 2"]
    assert sorted(path.name for path in run.iterdir()) == [
        "cross_validation.json",
        "fold0",
        "fold1",
    ]
    assert summary["unfinished"] == []
    assert json.loads((run / "cross_validation.json").read_text()) == summary
    scores = []
    for number, fold in enumerate(summary["folds"]):
        epochs = metrics_of(run / f"fold{number}")
        best = max(epochs, key=lambda epoch: epoch["dice"]["mean"])
        assert fold == {"fold": f"fold{number}", "step": best["step"], "dice": best["dice"]}
        scores.append(best["dice"]["mean"])
    assert summary["mean_dice"] == pytest.approx(np.mean(scores))
    assert summary["worst_dice"] == min(scores)


def test_the_folds_validate_other_scans(both):
    _, run, _, summary = both
    sources = [set(fold["dice"]) for fold in summary["folds"]]
    assert set.union(*sources) == {"volumes", "slices", "mean"}
    losses = [metrics_of(run / f"fold{number}")[0]["validation_loss"] for number in range(2)]
    assert losses[0] != losses[1]


def test_a_fold_alone_is_the_same_fold_and_the_summary_grows(both, tmp_path):
    config, run, *_ = both
    bars = Bars()
    summary = train_folds(config, tmp_path, bars, fold=1)
    assert bars.titles == ["Fold 2 of 2"]
    assert [fold["fold"] for fold in summary["folds"]] == ["fold1"]
    assert summary["unfinished"] == ["fold0"]
    assert_same_run(tmp_path / "fold1", run / "fold1")


def test_finished_folds_are_not_trained_again(both, monkeypatch):
    config, run, _, summary = both
    monkeypatch.setattr("pleura.lab.train.validate", None)  # any epoch would call it
    assert train_folds(config, run, Bars()) == summary


def test_folds_are_found_by_number(tmp_path):
    for name in ("fold10", "fold2", "folder", "fold", "fold_3", "other"):
        (tmp_path / name).mkdir()
    assert [path.name for path in fold_runs(tmp_path)] == ["fold2", "fold10"]


def test_the_best_epoch_is_the_last_that_was_best(both, tmp_path, monkeypatch):
    epochs = [
        {"step": step, "best": best, "dice": {"mean": dice}}
        for step, best, dice in ((1, True, 0.5), (2, True, 0.6), (3, False, 0.55))
    ]
    monkeypatch.setattr(cross_validation.run_folder, "read_metrics", lambda _: epochs)
    monkeypatch.setattr(cross_validation.run_folder, "is_finished", lambda *_: True)
    assert summed_up(both[0], tmp_path)["mean_dice"] == 0.6


def test_folds_that_are_still_trained_are_named_and_left_out(both, tmp_path):
    """By jobs of an array: one fold has begun a line, one has stopped after its first epoch."""
    config, run, _, summary = both
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "metrics.jsonl").write_text('{"step": 1, "be')
    with pytest.raises(StoppedError):
        train(replace(config, fold=1), tmp_path / "fold1", StopAfter(2))
    assert metrics_of(tmp_path / "fold1")[0]["best"]
    assert summed_up(config, tmp_path) == {
        "folds": [], "unfinished": ["fold0", "fold1"], "mean_dice": None, "worst_dice": None
    }  # fmt: skip
    shutil.copytree(run / "fold0", tmp_path / "fold0", dirs_exist_ok=True)
    found = summed_up(config, tmp_path)
    assert found["folds"] == summary["folds"][:1] and found["unfinished"] == ["fold1"]
    assert found["mean_dice"] == summary["folds"][0]["dice"]["mean"]


def test_what_makes_no_sense_is_refused(both, tmp_path):
    config = both[0]
    with pytest.raises(UsageError, match="The config has no folds; set folds"):
        train_folds(replace(config, folds=0), tmp_path, Bars())
    for fold in (-1, 2):
        with pytest.raises(UsageError, match=rf"no fold {fold}; the config has 0 to 1"):
            train_folds(config, tmp_path, Bars(), fold)
    with pytest.raises(UsageError, match="has 4 patients"):
        train_folds(replace(config, folds=5), tmp_path, Bars())
    assert not list(tmp_path.iterdir())


def test_folds_go_into_no_other_folder(both, tmp_path):
    (tmp_path / "config.json").write_text("{}")  # of a run without folds
    with pytest.raises(UsageError, match="isn't empty and holds no such run"):
        train_folds(both[0], tmp_path, Bars())
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
