"""Children: what they took, and how they fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab.benchmark import processes
from pleura.lab.benchmark.processes import Call, RunError, check_system, last_json, run


def python(code: str, **environment: str) -> Call:
    return Call((sys.executable, "-c", code), environment)


def test_wall_and_processor_seconds() -> None:
    done = run(python("import time; time.sleep(0.5)"), 60)
    assert 0.5 <= done.wall_s < 30
    assert done.cpu_s < 0.45  # sleeping takes none
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint('done')"
    done = run(python(code), 60)
    assert 0.5 <= done.cpu_s <= done.wall_s + 0.1 and done.stdout == "done\n"


def test_peak_memory_is_the_childs_own() -> None:
    """Linux would count what the parent holds when it starts a child."""
    held = np.ones(300_000_000, dtype=np.uint8)
    assert run(python("pass"), 60).peak_memory_mb < 100
    assert 200 < run(python("held = b'x' * 200_000_000"), 60).peak_memory_mb < 300
    assert held.all()


def test_the_working_folder_holds_no_modules(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "stray.py").touch()
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import importlib.util, sys; print(importlib.util.find_spec('stray'), sys.flags)"
    said = run(python(code), 60).stdout
    assert said.startswith("None ") and "dont_write_bytecode=0" in said


def test_environment_is_added() -> None:
    code = "import os; print(os.environ['A'], os.environ['PATH'])"
    assert run(python(code, A="b"), 60).stdout == f"b {os.environ['PATH']}\n"


FAILURES = {
    "exception": ("raise ValueError('first\\nlast.')", "last"),
    "one of ours": ("import sys; sys.exit('Error: The scan is bad; give another.')",
                    "The scan is bad; give another"),
    "silent": ("import sys; sys.exit(3)", "it said nothing"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9, perhaps for lack"),
    "ended": ("import os; os.kill(os.getpid(), 15)", "it was ended by signal 15"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_failures_say_why(case: str) -> None:
    code, words = FAILURES[case]
    with pytest.raises(RunError) as caught:
        run(python(code), 60)
    assert str(caught.value).startswith(words) and not str(caught.value).endswith(".")


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(RunError, match="No such file"):
        run(Call(("/none/python",)), 60)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", ["timeout", "ctrl-c", "killed"])
def test_nothing_goes_on_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))"
    call = python(f"{code}; time.sleep(600)")
    if how == "timeout":
        with pytest.raises(RunError, match=r"longer than 2 s \(--timeout\)"):
            run(call, 2)
    elif how == "killed":
        whole = f"from pleura.lab.benchmark.processes import *; run(Call({call.command!r}), 600)"
        # What it leaves behind goes with the test's folder.
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        benchmark = subprocess.Popen([sys.executable, "-c", whole], env=environment)
        until(lambda: pid_file.exists() and pid_file.read_text() != "")
        benchmark.kill()
        benchmark.wait()
    else:
        wait = subprocess.Popen.wait

        def interrupted(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
            if timeout is None:
                return wait(self)
            until(lambda: pid_file.exists() and pid_file.read_text() != "")
            raise KeyboardInterrupt

        monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(call, 60)
    pid = int(pid_file.read_text())
    until(lambda: not is_running(pid))


def test_results_among_chatter() -> None:
    assert last_json('reading\n{"a": 1}\n') == {"a": 1}
    for nothing in ("", "reading\n"):
        with pytest.raises(RunError, match="no result"):
            last_json(nothing)


def test_systems_that_do_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(processes.os, "wait4")
    with pytest.raises(UsageError, match="Linux"):
        check_system()
