"""K-fold cross-validation: a run a fold, in RUN/fold0, RUN/fold1 ...; the role test stays out.

RUN/cross_validation.json   best validation Dice of every finished fold, their mean, by source too
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pleura.errors import UsageError
from pleura.lab import run_folder
from pleura.lab.config import TrainConfig
from pleura.lab.distributed import group
from pleura.lab.train import Progress, train
from pleura.write.atomic import write_bytes


def train_folds(
    config: TrainConfig, run: Path, progress: Callable[[str], Progress], fold: int | None = None
) -> dict[str, Any]:
    """Train every fold that isn't finished, or one alone, and sum up those that there are.

    Args:
        config: with `folds` of at least 2.
        run: the folder of all folds.
        progress: makes a progress bar from a title.
        fold: this one alone, as one job of an array does.

    Returns:
        What cross_validation.json holds.

    Raises:
        UsageError: as `train`; no such fold; `run` is a file or holds something else.
    """
    if config.folds < 2:
        raise UsageError("The config has no folds; set folds = 5, for example.")
    if fold is not None and not 0 <= fold < config.folds:
        raise UsageError(f"There is no fold {fold}; the config has 0 to {config.folds - 1}.")
    run_folder.check_place(run, is_run=bool(fold_runs(run)))
    with group(config.accumulate) as processes:  # one for all folds
        for number in range(config.folds) if fold is None else (fold,):
            title = f"Fold {number + 1} of {config.folds}"
            train(replace(config, fold=number), run / f"fold{number}", progress(title))
        summary = summed_up(config, run)
        if processes.leads:
            write_bytes(run / "cross_validation.json", json.dumps(summary, indent=1).encode())
    return summary


def fold_runs(run: Path) -> list[Path]:
    """The folds' run folders, by number; empty for a run without folds."""
    found = [path for path in run.glob("fold*") if path.name.removeprefix("fold").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("fold")))


def summed_up(config: TrainConfig, run: Path) -> dict[str, Any]:
    """Dice of each finished fold's best epoch, their mean and worst, and the unfinished folds.

    Other jobs may be training the others at this moment. Without a finished fold mean and worst
    are None.
    """
    folds, unfinished = [], []
    for path in (run / f"fold{number}" for number in range(config.folds)):
        if not run_folder.is_finished(path, config):
            unfinished.append(path.name)
            continue
        best = [epoch for epoch in run_folder.read_metrics(path) if epoch["best"]][-1]
        folds.append({"fold": path.name, "step": best["step"], "dice": best["dice"]})
    dice = [fold["dice"]["mean"] for fold in folds]
    return {
        "folds": folds,
        "unfinished": unfinished,
        "mean_dice": float(np.mean(dice)) if dice else None,
        "worst_dice": float(np.min(dice)) if dice else None,
    }
