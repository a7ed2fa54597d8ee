"""`python -m tests.fuzz`: run cases and print what came of them, or write one down."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.cases import case
from tests.fuzz.harness import Options, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write the files of faults below this folder")
    parser.add_argument("--show", nargs=2, metavar=("NUMBER", "FOLDER"), help="write one case")
    asked = parser.parse_args()
    if asked.show:
        number, folder = int(asked.show[0]), Path(asked.show[1])
        print(case(number).write(folder))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(Options(asked.cases, asked.first, asked.workers), Path(folder))
    for fault in found.faults:
        print(fault, "\n")
        if asked.keep:
            case(fault.number).write(asked.keep / f"{fault.outcome}-{fault.number}")
    print(found.table())
    seconds, number = found.slowest
    print(f"{found.cases} cases in {found.seconds:.0f} s, the slowest {number} in {seconds:.2f} s")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
