"""`pleura pseudo-label`: unlabelled scans -> labels that a model drew, as a training source."""

from __future__ import annotations

import sys
from pathlib import Path

from pleura.cli.run import print_json, printable
from pleura.errors import EXIT_OK, UsageError


def pseudo_label(
    scans: tuple[Path, ...],
    out: Path,
    /,
    *,
    accept: str = "pass",
    model: str = "lungs",
    threads: int = 0,
    json: bool = False,
) -> int:
    """Segment unlabelled scans; keep image and labels where the verdict lets them in.

    Writes imagesTr, labelsTr (LUNA16's numbers) and pseudo_labels.csv (a line a scan, kept or not)
    into OUT, which `pleura prepare` reads as a further source that only trains. A bad scan never
    stops the others. Run it again to go on where it was stopped.

    Parameters
    ----------
    scans
        Files, or folders of image files and DICOM sub-folders.
    out
        The folder to write into: new, empty, or that of an earlier call.
    accept
        The worst verdict that is kept: pass or warn.
    model
        A bundled model's name or a model folder.
    threads
        Threads of inference; 0 takes all cores.
    json
        Print one JSON object with a row for every scan.
    """
    from rich.console import Console
    from rich.progress import track

    from pleura.lab.pseudo_label import pseudo_label as run_pseudo_label
    from pleura.segmenter import Segmenter

    if threads < 0:
        raise UsageError(f"--threads must be 0 (all cores) or more, not {threads}.")
    console, quiet = Console(stderr=True), not sys.stderr.isatty()
    found = run_pseudo_label(
        scans, out, Segmenter(model, threads=threads), accept,
        lambda names: track(
            names, "Pseudo-labelling", console=console, transient=True, disable=quiet
        ),
    )  # fmt: skip
    if json:
        print_json(found.record())
    else:
        print(printable(found.summary()))
    refused = [(row.name, row.reason) for row in found.rows if not row.kept]
    for name, reason in (*refused, *((left.name, left.reason) for left in found.left_out)):
        print(printable(f"Not kept: {name}: {reason}"), file=sys.stderr)
    return EXIT_OK
