"""`pleura benchmark`: pleura, lungmask and the floor, side by side."""

from __future__ import annotations

import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter

from pleura.errors import EXIT_FAILURE, EXIT_OK, UsageError


def benchmark(
    scans: tuple[Path, ...],
    /,
    *,
    repeats: int = 3,
    warm_repeats: int | None = None,
    threads: int = 0,
    model: str = "lungs",
    engine: str = "auto",
    precision: str = "auto",
    device: str = "cpu",
    lungmask: str | None = None,
    install_lungmask: Path | None = None,
    lungmask_weights: Path | None = None,
    lungmask_batch: int = 1,
    lungmask_repeats: int | None = None,
    references: Path | None = None,
    ref_labels: str | None = None,
    timeout: float = 1800,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: bool = False,
) -> int:
    """Measure pleura's time and memory beside lungmask's, and beside the least a tool can take.

    Each tool runs in processes of its own, in turn, on the same scans and threads. The least, the
    floor, is SimpleITK reading the scan and writing a mask. Nothing else should run meanwhile.

    Parameters
    ----------
    scans
        Scans, each as `pleura segment` takes it.
    repeats
        Rounds of cold processes.
    warm_repeats
        Calls in one process, after a first that doesn't count; 0 for none. Default: as --repeats.
    threads
        Threads of each tool; 0 takes all cores.
    model
        A bundled model's name or a model folder.
    engine
        As `pleura segment` has it.
    precision
        As `pleura segment` has it.
    device
        As `pleura segment` has it, of lungmask too.
    lungmask
        Interpreter (python) of an environment that has lungmask. Without this and the next one
        lungmask is left out.
    install_lungmask
        Folder to install lungmask into, from PyPI; one that has it already is used as it is.
    lungmask_weights
        File of lungmask's R231 weights. Default: random weights, so that lungmask's speed is
        measured and its accuracy is not.
    lungmask_batch
        Slices that lungmask takes at a time.
    lungmask_repeats
        At most so many rounds and warm calls of lungmask, which takes minutes. Default: as
        --repeats.
    references
        Folder of reference masks by scan name: Dice and distances to them are printed too.
    ref_labels
        Label scheme of the references: pleura, luna16, lungmask, totalseg-lobes,
        covid-19-ct-seg or merged.
    timeout
        Seconds after which a process is given up.
    output
        Folder for benchmark.json and benchmark.md.
    json
        Print one JSON object.
    """
    from pleura.cli.run import print_json
    from pleura.infer.cpu import available_cores
    from pleura.lab.benchmark.accuracy import References
    from pleura.lab.benchmark.lungmask_tool import LungmaskOptions, open_lungmask
    from pleura.lab.benchmark.machine import machine_record
    from pleura.lab.benchmark.plan import Plan, name_of
    from pleura.lab.benchmark.processes import check_system
    from pleura.lab.benchmark.record import Setting, benchmark_record
    from pleura.lab.benchmark.report import check_folder, write_report
    from pleura.lab.benchmark.runner import Bench, run_benchmark
    from pleura.lab.benchmark.table import to_markdown
    from pleura.lab.benchmark.tools import Floor, Pleura
    from pleura.read import existing

    check_system()
    paths = [existing(scan) for scan in scans]
    if threads < 0:
        raise UsageError(f"--threads must be 0 (all cores) or more, not {threads}.")
    threads = threads or available_cores()
    plan = Plan(
        repeats,
        repeats if warm_repeats is None else warm_repeats,
        repeats if lungmask_repeats is None else lungmask_repeats,
        threads,
        timeout,
    )
    pleura = Pleura(threads, model, engine, precision, device)
    pleura.check()
    options = LungmaskOptions(lungmask, install_lungmask, lungmask_weights, lungmask_batch, device)
    compared = References(labels=ref_labels)
    if references is not None:
        compared = References.of(references, map(name_of, paths), ref_labels)
    if output is not None:
        check_folder(output)
    progress = RunProgress()
    machine = machine_record()
    with TemporaryDirectory(prefix="pleura-benchmark-") as work:
        other = open_lungmask(options, threads, Path(work), progress.say)
        bench = Bench(Floor(threads), pleura, other, compared)
        results = run_benchmark(paths, bench, plan, progress)
        record = benchmark_record(Setting(command_line(), machine, bench, plan), results)
    if output is not None:
        write_report(record, output)
    if json:
        print_json(record)
    else:
        print(to_markdown(record), end="")
    measured = any(result.outcomes["pleura"].cold for result in results)
    return EXIT_OK if measured else EXIT_FAILURE


def command_line() -> str:
    """The command as it was typed, for whoever repeats the measurement."""
    return shlex.join(["pleura", *sys.argv[1:]])


class RunProgress:
    """A line a run on standard error; on a terminal also which one is under way."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    def say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def running(self, what: str) -> AbstractContextManager[object]:
        if not sys.stderr.isatty():
            return nullcontext()
        from rich.markup import escape

        return self._console.status(escape(what))
