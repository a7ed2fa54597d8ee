"""A process that reads cases and reports each on a pipe: `[number, kind, outcome, detail, ...]`.

It limits its own address space; what it can't notice itself (that it hangs or dies) `harness.py`
does. Everything it writes lies under its folder, which `harness.py` removes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

from tests.fuzz.cases import Case, case, valid
from tests.fuzz.reader import Reader, SentenceError

# Resident, over all cases together: files of some kB, packed a thousand times at most, explain no
# more. Addresses alone cost nothing, as when pydicom asks for the bytes that a length claims.
MOST_GROWTH = 256 << 20
_MOST_ADDRESSES = 1536 << 20
MEMORY, LITTER, SENTENCE, EXCEPTION = "memory", "litter", "sentence", "exception"


def main(reader: str, folder: Path, pipe: int, first: int, end: int, step: int) -> None:
    """Read cases first, first + step, ... below `end`, with `reader` ("module:function")."""
    module, _, name = reader.partition(":")
    read: Reader = getattr(import_module(module), name)
    faulthandler.enable()
    for seed in valid():  # so that libraries are loaded and buffers made
        outcome, detail = attempt(read, seed, folder / "valid", 0)
        if outcome not in ("read", "segmented"):
            raise SystemExit(f"the valid scan '{seed.kind}' was not read: {outcome} {detail}")
    resource.setrlimit(resource.RLIMIT_AS, (status_bytes("VmSize") + _MOST_ADDRESSES,) * 2)
    resident = status_bytes("VmHWM")
    report(pipe, "ready")
    for number in range(first, end, step):
        found = case(number)
        os.ftruncate(2, 0)
        began = time.process_time()
        outcome, detail = attempt(read, found, folder / "case", number)
        seconds = time.process_time() - began
        growth = status_bytes("VmHWM") - resident
        if growth > MOST_GROWTH:
            outcome, detail = MEMORY, f"{growth >> 20} MiB; {outcome} {detail}"
        said = os.fstat(2).st_size > 0
        report(pipe, number, found.kind, outcome, detail, said, round(seconds, 4))
        if outcome == MEMORY:  # the peak only grows, so it would be held against the next one too
            return


def attempt(read: Reader, found: Case, folder: Path, number: int) -> tuple[str, str]:
    """(outcome, detail) of one case, in a folder of its own."""
    temporary = Path(os.environ["TMPDIR"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.mkfifo(folder / "pipe")  # nobody writes into it, so whoever reads it waits for ever
    try:
        outcome, detail = read(found.write(folder), number), ""
    except MemoryError as error:
        outcome, detail = MEMORY, short(error)
    except SentenceError as error:
        outcome, detail = SENTENCE, str(error)
    except Exception as error:
        outcome, detail = EXCEPTION, short(error)
    left = sorted(temporary.iterdir())
    if left:
        outcome, detail = LITTER, f"{left[:3]}; {outcome} {detail}"
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return outcome, detail


def short(error: BaseException) -> str:
    lines = traceback.format_exception(error)
    return "".join(lines)[-1500:]


def status_bytes(name: str) -> int:
    """A figure of this process: VmSize, its addresses now; VmHWM, its largest resident memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition(f"{name}:")[2].split()[0]) << 10


def report(pipe: int, *values: object) -> None:
    os.write(pipe, json.dumps(values).encode() + b"\n")


if __name__ == "__main__":
    _, reader, folder, *numbers = sys.argv
    main(reader, Path(folder), *map(int, numbers))
