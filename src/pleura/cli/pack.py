"""`pleura pack`: training store -> one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pleura.cli.run import print_json
from pleura.errors import EXIT_OK


def pack(
    store: Path,
    file: Path,
    /,
    *,
    max_mib: float = 20.0,
    long_side: int = 288,
    roles: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (
        "train",
        "validation",
    ),
    json: bool = False,
) -> int:
    """Pack a training store into one small file, which `pleura train` takes as a store.

    Slices become coarser and HU are rounded within the scans' noise; then, only as far as the size
    asks for it, thin-sliced scans lose every other slice and slices become coarser still. What was
    lost is printed.

    Parameters
    ----------
    store
        A folder made by `pleura prepare`.
    file
        The packed store, as data.pleura-store.
    max_mib
        Size of the file at most, in MiB.
    long_side
        Pixels of a slice along its longer side, at most; 32 or more.
    roles
        Roles of the scans that are packed: train, validation, test.
    json
        Print the report as one JSON object.
    """
    import sys

    from rich.console import Console
    from rich.progress import track

    from pleura.lab.pack.packer import PackOptions, pack_store

    console = Console(stderr=True)
    report = pack_store(
        store, file, PackOptions(max_mib, long_side, roles),
        lambda scans: track(
            scans, "Packing", console=console, transient=True, disable=not sys.stderr.isatty()
        ),
    )  # fmt: skip
    if json:
        print_json(report.record())
    else:
        print(report.summary())
    return EXIT_OK
