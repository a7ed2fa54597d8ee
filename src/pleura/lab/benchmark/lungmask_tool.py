"""lungmask's row of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pleura.errors import PleuraError, UsageError
from pleura.infer.model_folder import sha256_of
from pleura.lab.benchmark.lungmask_environment import (
    LungmaskEnvironment,
    installed_lungmask,
    lungmask_of,
)
from pleura.lab.benchmark.processes import (
    Call,
    Finished,
    RunError,
    last_json,
    run,
    thread_limits,
)
from pleura.lab.benchmark.tools import Job, stages_of

_WEIGHTS_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class LungmaskOptions:
    """Where lungmask is and what it runs with.

    Args:
        python: interpreter that has it.
        folder: where it is, or will be, installed; None and no `python`: leave lungmask out.
        weights: file of R231's weights; None takes random ones.
        batch: slices at a time.
        device: as of `pleura segment`, for both tools.

    Raises:
        UsageError: options that don't go together, no such weights, or a batch below 1.
    """

    python: str | None = None
    folder: Path | None = None
    weights: Path | None = None
    batch: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.python is not None and self.folder is not None:
            raise UsageError("Give --lungmask or --install-lungmask, not both.")
        if self.batch < 1:
            raise UsageError(f"--lungmask-batch must be 1 or more, not {self.batch}.")
        if self.weights is None:
            return
        if self.python is None and self.folder is None:
            raise UsageError("--lungmask-weights needs --lungmask or --install-lungmask.")
        if not self.weights.is_file():
            raise UsageError(f"There are no lungmask weights at {self.weights}; correct the path.")

    def environment(self, say: Callable[[str], None]) -> LungmaskEnvironment | None:
        """The interpreter, made if need be; see `lungmask_environment` for its errors."""
        if self.python is not None:
            return lungmask_of(self.python)
        return None if self.folder is None else installed_lungmask(self.folder, say)


def open_lungmask(
    options: LungmaskOptions, threads: int, work: Path, say: Callable[[str], None]
) -> Lungmask | None:
    """lungmask, ready to run; None when it is left out.

    Args:
        options: where and what.
        threads: of its network.
        work: a folder for random weights, kept as long as lungmask runs.
        say: told what takes long.

    Raises:
        PleuraError: it isn't there, or can't be installed or started.
    """
    environment = options.environment(say)
    if environment is None:
        return None
    if options.weights is not None:
        return Lungmask(threads, environment, options.weights, options)
    try:
        weights = random_weights(environment, work)
    except RunError as error:
        raise PleuraError(
            f"lungmask's network can't be made ({error}); install another version of lungmask."
        ) from error
    return Lungmask(threads, environment, weights, options)


@dataclass(frozen=True)
class Lungmask:
    """lungmask's R231 (Hofmanninger et al. 2020); see scripts/lungmask_runner.py.

    Args:
        threads: of its network.
        environment: which has it.
        weights: file of the weights, given or random.
        options: what was asked for.
    """

    threads: int
    environment: LungmaskEnvironment
    weights: Path
    options: LungmaskOptions
    name: str = "lungmask"

    @property
    def title(self) -> str:
        version = self.environment.versions["lungmask"]
        weights = f"weights {self.weights.name}" if self.has_accuracy else "RANDOM WEIGHTS"
        return f"lungmask {version}, {weights}, batch {self.options.batch}"

    @property
    def has_accuracy(self) -> bool:
        """Random weights have a speed, but no answer."""
        return self.options.weights is not None

    def cold(self, job: Job) -> Call:
        return self._call("cold", job)

    def warm(self, job: Job, calls: int) -> Call:
        return self._call("warm", job, calls=calls)

    def stages(self, finished: Finished) -> Mapping[str, float]:
        return stages_of(last_json(finished.stdout))

    def record(self) -> dict[str, Any]:
        """What was run, for the JSON object."""
        return {
            "versions": dict(self.environment.versions),
            "weights": "given" if self.has_accuracy else "random",
            "weights_sha256": sha256_of(self.weights),
            "batch": self.options.batch,
        }

    def _call(self, mode: str, job: Job, **more: int) -> Call:
        options = {
            "weights": str(self.weights), "batch": self.options.batch, "threads": self.threads,
            "cpu": self.options.device == "cpu", **more,
        }  # fmt: skip
        arguments = (mode, str(job.scan.other), str(job.output), json.dumps(options))
        return self.environment.call(arguments, thread_limits(self.threads))


def random_weights(environment: LungmaskEnvironment, folder: Path) -> Path:
    """A weights file of the network R231 as it is before training, always the same.

    Raises:
        RunError: lungmask can't make its network.
    """
    file = folder / "random_r231.pth"
    run(environment.call(("weights", str(file)), {}), _WEIGHTS_TIMEOUT_S)
    return file
