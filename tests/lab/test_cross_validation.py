"""Folds, trained one after the other or alone, and what they sum up to."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab import cross_validation
from pleura.lab.cross_validation import fold_runs, summed_up, train_folds
from tests.lab.tiny import assert_same_run, metrics_of

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
    assert_same_run(tmp_path / "fold1", run / "fold1")


def test_finished_folds_are_not_trained_again(both, monkeypatch):
    config, run, _, summary = both
    monkeypatch.setattr("pleura.lab.train.validate", None)  # any epoch would call it
    assert train_folds(config, run, Bars()) == summary


def test_folds_are_found_by_number(tmp_path):
    for name in ("fold10", "fold2", "folder", "fold", "fold_3", "other"):
        (tmp_path / name).mkdir()
    assert [path.name for path in fold_runs(tmp_path)] == ["fold2", "fold10"]


def test_the_best_epoch_is_the_last_that_was_best(tmp_path, monkeypatch):
    (tmp_path / "fold0").mkdir()
    epochs = [
        {"step": step, "best": best, "dice": {"mean": dice}}
        for step, best, dice in ((1, True, 0.5), (2, True, 0.6), (3, False, 0.55))
    ]
    monkeypatch.setattr(cross_validation.run_folder, "read_metrics", lambda _: epochs)
    assert summed_up(tmp_path)["mean_dice"] == 0.6


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
