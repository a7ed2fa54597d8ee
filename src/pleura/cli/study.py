"""`pleura study`: rows of encoders and losses, same split and budget -> table and page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pleura.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from pleura.cli.train import StepProgress

T = TypeVar("T")


def study(
    config: Path,
    /,
    *,
    threads: int = 0,
    json: bool = False,
) -> int:
    """Train and compare every row of a study; run it again to go on where it was stopped.

    Finished runs, exports and scores aren't repeated. Writes table.md, table.csv, scans.csv,
    study.html and the plots into the study's folder.

    Parameters
    ----------
    config
        A TOML file, see configs/study-laptop.toml and configs/study-seed.toml.
    threads
        Threads; 0 takes all cores.
    json
        Print one JSON object: where the page lies, and the scores of every row, seed and scan.
    """
    from dataclasses import asdict

    if threads < 0:
        raise UsageError(f"--threads must be 0 (all cores) or more, not {threads}.")
    print("Loading", file=sys.stderr, flush=True)
    import torch

    from pleura.cli.run import print_json
    from pleura.infer.cpu import available_cores
    from pleura.lab.study.config import StudyConfig
    from pleura.lab.study.report import write_report
    from pleura.lab.study.runner import run_study
    from pleura.lab.study.table import to_markdown
    from pleura.record import SCHEMA_VERSION

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "pleura study runs in one process; train its rows by torchrun and pleura train, or "
            "call it without torchrun."
        )
    settings = StudyConfig.from_toml(config)
    torch.set_num_threads(min(threads or available_cores(), available_cores()))
    record = run_study(settings, StudyProgress(), threads)
    page = write_report(record, settings.folder)
    if json:
        scores = [asdict(score) for score in record.scores]
        print_json({"schema_version": SCHEMA_VERSION, "page": str(page), "scores": scores})
    else:
        print(to_markdown(record))
        print(f"Report: {page}", file=sys.stderr)
    return EXIT_OK


class StudyProgress:
    """Stages as lines and work as bars, on standard error."""

    def __init__(self) -> None:
        self._training: StepProgress | None = None

    def say(self, sentence: str) -> None:
        self._stop()
        print(sentence, file=sys.stderr, flush=True)

    def training(self, title: str) -> StepProgress:
        from pleura.cli.train import StepProgress

        self._training = StepProgress(title)
        self._training.__enter__()
        return self._training

    def track(self, items: Sequence[T], title: str) -> Iterable[T]:
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        return track(items, title, console=console, disable=not sys.stderr.isatty())

    def _stop(self) -> None:
        if self._training is not None:
            self._training.__exit__()
            self._training = None
