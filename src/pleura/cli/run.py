"""Call a command; turn every error into one sentence and the exit code of the design."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

from pleura.errors import EXIT_FAILURE, EXIT_OK, PleuraError, UsageError


def guarded(app: App, arguments: Sequence[str]) -> int:
    """Exit code of `app` called with `arguments`."""
    as_json = "--json" in arguments
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else EXIT_OK
    except CycloptsError as error:
        return fail(UsageError(f"{_sentence(error)} See `pleura --help`."), as_json)
    except PleuraError as error:
        return fail(error, as_json)
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away
        return EXIT_FAILURE
    except MemoryError:
        return fail(PleuraError("There is not enough memory for this scan; free some."), as_json)
    except ModuleNotFoundError as error:
        return fail(_missing(error), as_json)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return fail(PleuraError(f"{error.strerror or error}{where}."), as_json)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        message = f"pleura failed unexpectedly ({reason}); please report this with the command."
        return fail(PleuraError(message), as_json)


def fail(error: PleuraError, as_json: bool) -> int:
    """Say what went wrong: on standard error, and as JSON on standard output when asked."""
    if as_json:
        from pleura.record import error_record

        print_json(error_record(error))
    print(f"Error: {error}", file=sys.stderr)
    return error.exit


def print_json(record: Any) -> None:
    print(json.dumps(record, indent=2, allow_nan=False))


def _sentence(error: CycloptsError) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."


def _missing(error: ModuleNotFoundError) -> PleuraError:
    return UsageError(
        f"This command needs '{error.name}', which is not installed; "
        "install pleura with its extra 'lab': pip install 'pleura[lab]'."
    )
