"""Call a command; turn every error into one sentence and the exit code of the design."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cyclopts import App, CycloptsError

from pleura.errors import (
    EXIT_FAILURE,
    EXIT_OK,
    InputError,
    PleuraError,
    UsageError,
    as_pleura_error,
)

_RESUMABLE = ("train", "study", "pseudo-label")


class InterruptError(PleuraError):
    """Ctrl-C; 130 is what shells expect then."""

    code = "interrupted"
    exit = 130


class TerminateError(InterruptError):
    """SIGTERM, as job schedulers and `docker stop` send it; 143 is what shells expect then."""

    exit = 143


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM, where Ctrl-C raises its parent, so that the same clean-up is done."""


@contextmanager
def orderly_sigterm() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` inside the block.

    Only where SIGTERM would end the process at once: an embedding program may have its own way.
    """
    process = os.getpid()
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, _: object) -> None:
        if os.getpid() != process:  # a forked worker, which has nothing to clean up
            os._exit(TerminateError.exit)
        signal.signal(number, signal.SIG_IGN)  # a second one must not break the clean-up
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def guarded(app: App, arguments: Sequence[str]) -> int:
    """Exit code of `app` called with `arguments`; the only place that shows errors."""
    as_json = any(word.partition("=")[0] == "--json" for word in arguments)
    try:
        try:
            with orderly_sigterm(), warnings.catch_warnings():
                # Libraries' remarks; what matters to the user is a finding or an error.
                warnings.simplefilter("ignore")
                if "" in arguments:  # `pleura segment "$UNSET"` must not mean the working folder
                    raise UsageError("An argument is empty; check the command's variables.")
                code = app(arguments, exit_on_error=False, print_error=False)
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = fail(_as_pleura_error(error, arguments), as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        # What is still buffered has no reader either; the interpreter would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    return code if isinstance(code, int) else EXIT_OK


def fail(error: PleuraError, as_json: bool) -> int:
    """Say what went wrong: on standard error, and as JSON on standard output when asked."""
    # Under torchrun all processes find the same fault in a call; one says so.
    if not is_first_process() and isinstance(error, InputError | InterruptError):
        return error.exit
    error = type(error)(printable(str(error)))
    if as_json:
        from pleura.record import error_record

        print_json(error_record(error))
    print(f"Error: {error}", file=sys.stderr)
    return error.exit


def printable(text: str) -> str:
    """A line for people. It may quote names and headers; a terminal would obey some characters."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def is_first_process() -> bool:
    """False in all but one process of a torchrun."""
    return os.environ.get("RANK", "0") == "0"


def print_json(record: Any) -> None:
    print(json.dumps(record, indent=2, allow_nan=False))


def _as_pleura_error(error: BaseException, arguments: Sequence[str]) -> PleuraError:
    """Any error as one with a code, an exit code and one sentence."""
    if isinstance(error, CycloptsError):
        return UsageError(f"{_sentence(error)}; see `pleura --help`.")
    if isinstance(error, KeyboardInterrupt):
        kind, by = InterruptError, "Ctrl-C"
        if isinstance(error, Terminated):
            kind, by = TerminateError, "SIGTERM"
        if arguments and arguments[0] in _RESUMABLE:
            return kind(f"Stopped by {by}; run the same command again to go on.")
        return kind(f"Stopped by {by}; no partial output was left.")
    return as_pleura_error(error)


def _sentence(error: CycloptsError) -> str:
    """What was wrong and the suggestion, of a message that may have several sentences."""
    first, *more = re.split(r"(?<=[.?!]) +(?=[A-Z])", " ".join(str(error).split()))
    said = first.rstrip(".?!")
    for sentence in more:
        if sentence.startswith("Did you mean"):
            said += f", did you mean {sentence.removeprefix('Did you mean').strip(' .?!')}"
    return said
