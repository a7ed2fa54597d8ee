"""A child process, measured: wall seconds, processor seconds, peak memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pleura.errors import PleuraError, UsageError

SCRIPTS = Path(__file__).parent / "scripts"
_THREAD_LIMITS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip


class RunError(PleuraError):
    """A child failed; the message is the reason alone, without a full stop."""


@dataclass(frozen=True)
class Call:
    """A command, and what its environment has besides this process's own."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Finished:
    """What a child that succeeded took and said.

    Args:
        wall_s: from its start to its end, the start of Python included.
        cpu_s: of all its threads, in user and system mode.
        peak_memory_mb: resident, in 10^6 bytes.
        stdout: its standard output.
    """

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    stdout: str


def check_system() -> None:
    """Raises UsageError where a child's peak memory can't be had."""
    if not hasattr(os, "wait4"):
        raise UsageError("pleura benchmark measures processes as Linux and macOS do; use one.")


def thread_limits(threads: int) -> dict[str, str]:
    """The variables by which libraries learn how many threads to take."""
    return dict.fromkeys(_THREAD_LIMITS, str(threads))


def run(call: Call, timeout_s: float) -> Finished:
    """Run a command to its end.

    Its Python finds no modules in the working folder, and may keep compiled ones: a program that
    is used daily isn't compiled at each start.

    Raises:
        RunError: a non-zero exit code, a signal, or more than `timeout_s` seconds.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1", **call.environment}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="pleura-run-") as name:
        folder = Path(name)
        result = folder / "measured.json"
        launch = [sys.executable, "-I", "-S", str(SCRIPTS / "measured.py"), str(result)]
        with (
            (folder / "out").open("wb") as out,
            (folder / "err").open("wb") as err,
            subprocess.Popen(
                [*launch, *call.command], stdin=subprocess.PIPE, stdout=out, stderr=err,
                env=environment, start_new_session=True,
            ) as launcher,
        ):  # fmt: skip
            _wait(launcher, timeout_s)
        said, complaint = (
            (folder / stream).read_text(encoding="utf-8", errors="replace")
            for stream in ("out", "err")
        )
        if launcher.returncode != 0:  # the command itself could not be started
            raise RunError(_last_line(complaint))
        measured = json.loads(result.read_text(encoding="utf-8"))
    code = measured.pop("exit")
    if code < 0:
        why = ", perhaps for lack of memory" if -code == signal.SIGKILL else ""
        raise RunError(f"it was ended by signal {-code}{why}")
    if code > 0:
        raise RunError(_last_line(complaint))
    return Finished(**measured, stdout=said)


def _wait(launcher: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Wait for the launcher; after the limit, or Ctrl-C, end it and its command."""
    try:
        launcher.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise RunError(f"it took longer than {timeout_s:g} s (--timeout)") from None
    finally:
        if launcher.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(launcher.pid, signal.SIGKILL)  # both: a session of their own
            launcher.wait()


def as_json(text: str) -> dict[str, Any]:
    """A child's output as a JSON object; raises RunError when it is none."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise RunError("it printed no result") from None
    return found


def last_json(stdout: str) -> dict[str, Any]:
    """The JSON object in the last line of a script's output; libraries may chatter before it."""
    return as_json(stdout.strip().rpartition("\n")[2])


def _last_line(complaint: str) -> str:
    """The last line of standard error, where programs and Python say what went wrong."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    return said.removeprefix("Error: ").rstrip(".")
