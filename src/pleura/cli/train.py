"""`pleura train`: one experiment from its config."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pleura.errors import EXIT_OK


def train(
    config: Path,
    /,
    *,
    run: Annotated[Path | None, Parameter(name="--run")] = None,
    store: Path | None = None,
    threads: int = 0,
) -> int:
    """Train a network; run it again to resume where it was stopped.

    Parameters
    ----------
    config
        A TOML file, see configs/.
    run
        Folder for checkpoints and metrics. Default: runs/<config's name>.
    store
        Training store, instead of the config's.
    threads
        Threads; 0 takes all cores.
    """
    from dataclasses import replace

    import torch

    from pleura.infer.onnxruntime_engine import available_cores
    from pleura.lab.config import TrainConfig
    from pleura.lab.train import train as run_training

    settings = TrainConfig.from_toml(config)
    if store is not None:
        settings = replace(settings, store=str(store))
    run = run or Path("runs") / config.stem
    torch.set_num_threads(threads or available_cores())
    with StepProgress(settings.steps) as progress:
        state = run_training(settings, run, progress)
    print(
        f"{state['step']} steps in {state['seconds'] / 60:.0f} min; best validation Dice "
        f"{state['best_dice']:.4f} at step {state['best_step']}; {run}"
    )
    return EXIT_OK


class StepProgress:
    """A progress bar on a terminal; one line an epoch elsewhere. Both on standard error."""

    def __init__(self, steps: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._terminal = sys.stderr.isatty()
        self._bar = Progress(console=Console(stderr=True), disable=not self._terminal)
        self._task = self._bar.add_task("Training", total=steps)

    def __enter__(self) -> StepProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, step: int, message: str) -> None:
        self._bar.update(self._task, completed=step, description=message)
        if not self._terminal and message.startswith("validation"):
            print(f"step {step}: {message}", file=sys.stderr, flush=True)
