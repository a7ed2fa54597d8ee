"""`pleura train`: one experiment from its config."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pleura.cli.run import is_first_process, print_json
from pleura.errors import EXIT_OK, UsageError

_REPORTED = ("step", "steps", "best_step", "best_dice", "best_loss", "seconds")


def train(
    config: Path,
    /,
    *,
    run: Annotated[Path | None, Parameter(name="--run")] = None,
    store: Path | None = None,
    fold: int | None = None,
    threads: int = 0,
    json: bool = False,
) -> int:
    """Train a network; run it again to resume where it was stopped.

    A config with folds trains them one after the other. On several GPUs:
    torchrun --nproc-per-node 2 -m -- pleura train CONFIG, with accumulate a multiple of 2.

    Parameters
    ----------
    config
        A TOML file, see configs/.
    run
        Folder for checkpoints and metrics. Default: runs/<config's file name>.
    store
        Training store, instead of the config's.
    fold
        Train this fold alone, counted from 0.
    threads
        Threads, at most one a core; 0 takes all cores, or the process's share of them under
        torchrun.
    json
        Print one JSON object: the run, its steps and best step, or the folds' scores.
    """
    from dataclasses import replace

    import torch

    from pleura.infer.cpu import available_cores
    from pleura.lab.config import TrainConfig
    from pleura.lab.cross_validation import train_folds
    from pleura.lab.train import train as run_training
    from pleura.record import SCHEMA_VERSION

    if threads < 0:
        raise UsageError(f"--threads must be 0 (all cores) or more, not {threads}.")
    settings = TrainConfig.from_toml(config)
    if store is not None:
        settings = replace(settings, store=str(store))
    run = run or Path("runs") / config.stem
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's on this machine
    cores = available_cores()
    torch.set_num_threads(min(threads, cores) or max(1, cores // processes))
    if fold is not None and not settings.folds:
        raise UsageError(f"{config} has no folds; leave out --fold.")
    with StepProgress() as progress:
        if settings.folds:
            found = train_folds(settings, run, progress.titled, fold)
            text = _of_folds(found, settings.best_by)
        else:
            state = run_training(settings, run, progress)
            found = {key: _finite(state[key]) for key in _REPORTED}
            text = _of_run(state, settings.best_by)
    if is_first_process():
        if json:
            print_json({"schema_version": SCHEMA_VERSION, "run": str(run), **found})
        else:
            print(f"{text}; {run}")
    return EXIT_OK


def _of_run(state: Mapping[str, Any], best_by: str) -> str:
    from pleura.lab.train import NO_VALIDATION

    done = f"{state['step']} steps in {state['seconds'] / 60:.0f} min"
    if state["best_dice"] is None:
        return f"{done}; {NO_VALIDATION}"
    best = f"validation Dice {state['best_dice']:.4f}"
    if best_by == "loss":
        best = f"validation loss {state['best_loss']:.4f} (Dice {state['best_dice']:.4f})"
    return f"{done}; best {best} at step {state['best_step']}"


def _of_folds(summary: Mapping[str, Any], best_by: str) -> str:
    from pleura.findings import count_of

    if not summary["folds"]:
        return "No fold is finished yet"
    what = "their best validation Dice"
    if best_by == "loss":
        what = "the validation Dice at their lowest loss"
    left = f" ({', '.join(summary['unfinished'])} unfinished)" if summary["unfinished"] else ""
    return (
        f"{count_of(len(summary['folds']), 'fold')}{left}, mean of {what} "
        f"{summary['mean_dice']:.4f}, worst {summary['worst_dice']:.4f}"
    )


def _finite(value: float | None) -> float | None:
    """JSON has no infinities."""
    return None if value is None or not math.isfinite(value) else value


class StepProgress:
    """A progress bar on a terminal; one line an epoch elsewhere. Both on standard error."""

    def __init__(self, title: str = "Training") -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._title = title
        self._terminal = sys.stderr.isatty()
        self._bar = Progress(console=Console(stderr=True), disable=not self._terminal)
        self._task = self._bar.add_task(title, total=None)

    def __enter__(self) -> StepProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def titled(self, title: str) -> StepProgress:
        """The same bar for another run, from its start."""
        self._title = title
        self._bar.reset(self._task, description=title)
        return self

    def update(self, step: int, steps: int, message: str) -> None:
        text = f"{self._title}: {message}"
        self._bar.update(self._task, completed=step, total=steps, description=text)
        of_epoch = message.startswith(("validation", "no validation"))
        if not self._terminal and of_epoch:
            print(f"{self._title}, step {step} of {steps}: {message}", file=sys.stderr, flush=True)
