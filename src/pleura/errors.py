"""The one error tree of pleura.

    PleuraError                exit 1   disk, permission, a bug
    ├── InputError             exit 2   the call or the scan can't be used
    │   ├── UsageError                  wrong option, unknown series, output equal to input
    │   ├── UnreadableError             missing, empty, truncated, garbage, unsupported format
    │   ├── NotCTError                  readable, but no CT
    │   ├── GeometryError               no usable voxel grid (4-D, missing spacing, over the limit)
    │   └── IntensityError              no usable HU (constant, 8-bit picture, NaN inside the body)
    ├── OutputError            exit 1   the result could not be written
    ├── MemoryLimitError       exit 1   the scan needs more memory than is free
    └── ModelError             exit 1   the model folder is damaged or unknown

Every message is one sentence that says what is wrong, where, and what to do.
`code` is the stable, machine-readable name that `--json` prints.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_STRICT = 3


class PleuraError(Exception):
    """Base of all errors that pleura raises on purpose."""

    code: ClassVar[str] = "failure"
    exit: ClassVar[int] = EXIT_FAILURE


class InputError(PleuraError):
    """The call or the scan can't be used; nothing was written."""

    code = "bad_input"
    exit = EXIT_BAD_INPUT


class UsageError(InputError):
    """An option or a combination of options makes no sense."""

    code = "usage"


class UnreadableError(InputError):
    """The input is missing, empty, damaged or of an unknown format."""

    code = "unreadable"


class NotCTError(InputError):
    """The input is an image, but not a CT image."""

    code = "not_ct"


class GeometryError(InputError):
    """The input has no usable voxel grid."""

    code = "geometry"


class IntensityError(InputError):
    """The input has no usable Hounsfield units."""

    code = "intensity"


class OutputError(PleuraError):
    """The result could not be written; no partial file was left."""

    code = "output"


class MemoryLimitError(PleuraError):
    """The scan needs more memory than is free."""

    code = "memory"


class ModelError(PleuraError):
    """A model folder is unknown, incomplete or damaged."""

    code = "model"


def as_pleura_error(error: BaseException) -> PleuraError:
    """Any error as one of this tree, with one sentence; for the edges (CLI, batches)."""
    first_line = next(iter(str(error).splitlines()), "")
    match error:
        case PleuraError():
            return error
        case MemoryError():
            return MemoryLimitError(
                "There is not enough memory for this scan; free some or crop it."
            )
        case ModuleNotFoundError():
            return UsageError(
                f"This needs '{error.name}', which is not installed; "
                "install pleura with its extra 'lab': pip install 'pleura[lab]'."
            )
        case OSError():
            where = f" ({error.filename})" if error.filename else ""
            return PleuraError(f"{error.strerror or first_line}{where}.")
    reason = f"{type(error).__name__}: {first_line}".rstrip(" .:")
    return PleuraError(
        f"pleura failed unexpectedly ({reason}); please report this with the command."
    )
