"""`pleura train`: one experiment from its config."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pleura.errors import EXIT_OK, UsageError


def train(
    config: Path,
    /,
    *,
    run: Annotated[Path | None, Parameter(name="--run")] = None,
    store: Path | None = None,
    fold: int | None = None,
    threads: int = 0,
) -> int:
    """Train a network; run it again to resume where it was stopped.

    A config with folds trains them one after the other. On several GPUs:
    torchrun --nproc-per-node 2 -m -- pleura train CONFIG, with accumulate a multiple of 2.

    Parameters
    ----------
    config
        A TOML file, see configs/.
    run
        Folder for checkpoints and metrics. Default: runs/<config's name>.
    store
        Training store, instead of the config's.
    fold
        Train this fold alone, counted from 0.
    threads
        Threads; 0 takes all cores.
    """
    from dataclasses import replace

    import torch

    from pleura.infer.onnxruntime_engine import available_cores
    from pleura.lab.config import TrainConfig
    from pleura.lab.cross_validation import train_folds
    from pleura.lab.train import train as run_training

    settings = TrainConfig.from_toml(config)
    if store is not None:
        settings = replace(settings, store=str(store))
    run = run or Path("runs") / config.stem
    torch.set_num_threads(threads or available_cores())
    if fold is not None and not settings.folds:
        raise UsageError(f"{config} has no folds; leave out --fold.")
    with StepProgress() as progress:
        if settings.folds:
            summary = train_folds(settings, run, progress.titled, fold)
            text = (
                f"{len(summary['folds'])} folds, mean of their best validation Dice "
                f"{summary['mean_dice']:.4f}, worst {summary['worst_dice']:.4f}; {run}"
            )
        else:
            state = run_training(settings, run, progress)
            text = (
                f"{state['step']} steps in {state['seconds'] / 60:.0f} min; best validation Dice "
                f"{state['best_dice']:.4f} at step {state['best_step']}; {run}"
            )
    if int(os.environ.get("RANK", "0")) == 0:  # torchrun: one process speaks for all
        print(text)
    return EXIT_OK


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
        if not self._terminal and message.startswith("validation"):
            print(f"{self._title}, step {step} of {steps}: {message}", file=sys.stderr, flush=True)
