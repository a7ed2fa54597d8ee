"""Run a command; write its seconds and peak memory.

    python -I -S measured.py RESULT COMMAND...

A process of its own, since Linux counts what the parent held when it started a child as the child's
peak: the benchmark has numpy and whole masks in memory, this script has next to nothing. It is the
head of a process group, and ends it when its standard input closes: then the benchmark is gone.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def end_with_the_benchmark() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written
    os.killpg(0, signal.SIGKILL)


def main() -> int:
    result, *command = sys.argv[1:]
    threading.Thread(target=end_with_the_benchmark, daemon=True).start()
    began = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    # Kilobytes on Linux, bytes on a Mac.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    found = {
        "exit": child.returncode,
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": peak / 1e6,
    }
    with open(result, "w", encoding="utf-8") as file:
        json.dump(found, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
