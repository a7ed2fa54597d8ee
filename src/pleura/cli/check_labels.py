"""`pleura check-labels`: labels that a cross-validation disagrees with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pleura.cli.run import print_json, printable
from pleura.errors import EXIT_OK, UsageError


def check_labels(
    runs: tuple[Path, ...],
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    page: Path | None = None,
    most: int = 24,
    limit: float = 3.0,
    store: Path | None = None,
    threads: int = 0,
    json: bool = False,
) -> int:
    """List the scans whose labels a cross-validation disagrees with, the farthest first.

    Each run predicts only the scans that it held out; Dice and surface distance to their labels
    are compared with the median of their source. Labels stay as they are: look at the list.

    Parameters
    ----------
    runs
        Finished runs of `pleura train` with folds (RUN, or RUN/fold0 and so on); of a run without
        folds its validation scans are checked.
    output
        Write the whole list as CSV.
    page
        Write an HTML page with pictures of the farthest. It shows slices of patients: keep it where
        the scans are.
    most
        How many scans the page shows, and the terminal.
    limit
        Standard deviations (by the median absolute deviation) beyond the median of a source from
        which a scan is called suspicious. Sources of fewer than 6 scans have no limit.
    store
        The runs' training store, where it lies elsewhere now.
    threads
        Threads; 0 takes all cores.
    json
        Print one JSON object with a row for every scan.
    """
    _check(output, page, most, limit, threads)
    import torch
    from rich.console import Console
    from rich.progress import track

    from pleura.infer.cpu import available_cores
    from pleura.lab.held_out import disagreements
    from pleura.lab.label_check import as_record, ranked, write_csv
    from pleura.lab.label_pictures import write_page
    from pleura.lab.worst_slices import WorstSlices
    from pleura.record import SCHEMA_VERSION

    torch.set_num_threads(min(threads or available_cores(), available_cores()))
    console, quiet = Console(stderr=True), not sys.stderr.isatty()
    pictures = WorstSlices() if page is not None else None
    found = disagreements(
        runs, store,
        lambda scans: track(
            scans, "Predicting", console=console, transient=True, disable=quiet
        ),
        pictures,
    )  # fmt: skip
    rows = ranked(found, limit)
    if output is not None:
        write_csv(rows, output)
    if page is not None and pictures is not None:
        write_page(rows[:most], pictures.pngs, page)
    if json:
        scans = [as_record(row) for row in rows]
        print_json({"schema_version": SCHEMA_VERSION, "limit": limit, "scans": scans})
        return EXIT_OK
    suspicious = [row for row in rows if row.suspicious]
    for row in suspicious[:most]:
        print(printable(
            f"{row.source} {row.name}: Dice {row.dice:.4f}, ASSD {row.assd_mm:.2f} mm, "
            f"{row.deviations:.1f} deviations, most in slice {row.worst_slice}"
        ))  # fmt: skip
    print(f"{len(suspicious)} of {len(rows)} scans have labels to look at.")
    return EXIT_OK


def _check(
    output: Path | None, page: Path | None, most: int, limit: float, threads: int
) -> None:  # fmt: skip
    """Refuse what makes no sense before any work is done (UsageError)."""
    from pleura.write import check_distinct, check_place

    for path, suffix in ((output, ".csv"), (page, ".html")):
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise UsageError(f"{path} must end with {suffix}.")
        check_place(path, None)
    check_distinct(path for path in (output, page) if path is not None)
    if most < 1:
        raise UsageError(f"--most must be 1 or more, not {most}.")
    if not 0 < limit < float("inf"):
        raise UsageError(f"--limit must be more than 0 and finite, not {limit:g}.")
    if threads < 0:
        raise UsageError(f"--threads must be 0 (all cores) or more, not {threads}.")
