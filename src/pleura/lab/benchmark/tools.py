"""What is measured: what to call, and what its output says. lungmask is in lungmask_tool.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pleura.lab.benchmark.plan import Scan
from pleura.lab.benchmark.processes import (
    SCRIPTS,
    Call,
    Finished,
    RunError,
    as_json,
    last_json,
    thread_limits,
)


@dataclass(frozen=True)
class Job:
    """One scan for one tool.

    Args:
        scan: what to read.
        output: the mask to write, .nii.gz.
        mask: pleura's mask of the scan as .npy, for the floor; None while there is none.
        folder: for a tool's own files.
    """

    scan: Scan
    output: Path
    mask: Path | None
    folder: Path


class Tool(Protocol):
    """One row of the table."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...

    def cold(self, job: Job) -> Call:
        """A process that reads the scan and writes a mask; raises RunError when it can't."""
        ...

    def stages(self, finished: Finished) -> Mapping[str, float]:
        """Seconds of the stages of a cold process, as the tool tells them."""
        ...


class WarmTool(Tool, Protocol):
    """A tool that keeps something from one scan to the next."""

    def warm(self, job: Job, calls: int) -> Call:
        """A process that does so several times."""
        ...


@dataclass(frozen=True)
class Floor:
    """SimpleITK reading the scan and writing a mask; see scripts/floor.py."""

    threads: int
    name: str = "floor"
    title: str = "floor: SimpleITK reads the scan, writes a mask"

    def cold(self, job: Job) -> Call:
        if job.mask is None:
            raise RunError("there is no mask to write, since pleura made none")
        files = job.folder / "files.json"
        files.write_text(json.dumps([str(file) for file in job.scan.files]), encoding="utf-8")
        script = str(SCRIPTS / "floor.py")
        command = (sys.executable, script, str(job.output), str(job.mask), str(files))
        return Call(command, thread_limits(self.threads))

    def stages(self, finished: Finished) -> Mapping[str, float]:
        return stages_of(last_json(finished.stdout))


@dataclass(frozen=True)
class Pleura:
    """`pleura segment` as a user calls it, or one `Segmenter` for several calls."""

    threads: int
    model: str = "lungs"
    engine: str = "auto"
    precision: str = "auto"
    device: str = "cpu"
    name: str = "pleura"
    title: str = "pleura"

    def check(self) -> None:
        """Load the network as the runs will.

        Raises:
            ModelError, UsageError: pleura can't be made so.
        """
        from pleura.segmenter import Segmenter

        _ = Segmenter(self.model, **self._how).engine  # waits: only loading tells of the device

    @property
    def _how(self) -> dict[str, Any]:
        return {
            "threads": self.threads, "engine": self.engine, "precision": self.precision,
            "device": self.device,
        }  # fmt: skip

    def cold(self, job: Job) -> Call:
        how = [word for name, value in self._how.items() for word in (f"--{name}", str(value))]
        command = (
            sys.executable, "-m", "pleura", "segment", str(job.scan.path), "-o", str(job.output),
            "--model", self.model, *how, "--json",
        )  # fmt: skip
        return Call(command, thread_limits(self.threads))

    def warm(self, job: Job, calls: int) -> Call:
        options = {"calls": calls, "model": self.model, **self._how}
        paths = (str(job.scan.path), str(job.output))
        command = (sys.executable, str(SCRIPTS / "pleura_warm.py"), *paths, json.dumps(options))
        return Call(command, thread_limits(self.threads))

    def stages(self, finished: Finished) -> Mapping[str, float]:
        stages = self.record(finished)["timings_s"]
        return {name: seconds for name, seconds in stages.items() if name != "total"}

    @staticmethod
    def record(finished: Finished) -> Mapping[str, Any]:
        """The object that `pleura segment --json` printed."""
        return as_json(finished.stdout)


def stages_of(found: Mapping[str, Any]) -> Mapping[str, float]:
    """What a script of `scripts/` says of its stages."""
    stages: dict[str, float] = found["stages_s"]
    return stages
