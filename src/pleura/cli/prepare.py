"""`pleura prepare`: labelled scans -> training store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pleura.errors import EXIT_OK


def prepare(
    source: Path,
    store: Path,
    /,
    *,
    labels: str | None = None,
    split: Path | None = None,
    set_name: Annotated[str | None, Parameter(name="--set")] = None,
    images: Annotated[tuple[Path, ...], Parameter(name="--images")] = (),
    long_side: int = 384,
) -> int:
    """Make (or renew) one source of a training store from labelled scans, split by patient.

    SOURCE holds imagesTr and labelsTr, images and labels (or masks), or LUNA16's subset folders
    with seg-lungs-LUNA16. Several sources share one STORE: call it once for each.

    Parameters
    ----------
    source
        The data set's folder.
    store
        The store's folder; the source becomes a folder in it.
    labels
        Label scheme: pleura, luna16, lungmask, totalseg-lobes or merged. Default: pleura, or
        luna16 when the labels are exactly 3, 4 (and 5).
    split
        CSV with the columns set, name, patient, role. Default: by a hash of the scan's name.
    set_name
        Name of the data set in the split file and in the store. Default: the folder's name.
    images
        A further folder that holds images by name, DICOM folders among them. May be repeated.
    long_side
        Pixels of a stored slice along its longer side.
    """
    import sys

    from rich.console import Console
    from rich.progress import track

    from pleura.lab.prepare import PrepareOptions, prepare_source
    from pleura.lab.store import StoreGrid

    options = PrepareOptions(labels, images, split, set_name, StoreGrid(long_side=long_side))
    console = Console(stderr=True)
    report = prepare_source(
        source, store, options,
        lambda pairs: track(
            pairs, "Preparing", console=console, transient=True, disable=not sys.stderr.isatty()
        ),
    )  # fmt: skip
    roles = ", ".join(f"{count} {role}" for role, count in sorted(report.roles.items()))
    print(f"{report.scans} scans, {report.slices} slices in {store}: {roles}.")
    if report.without_sides:
        print(
            f"{len(report.without_sides)} scans have lungs that touch; they are kept without sides."
        )
    for sentence in report.left_out:
        print(f"Left out: {sentence}", file=sys.stderr)
    if split is None:
        print(
            "No --split: roles come from a hash of each scan's name, which takes every scan for a "
            "patient of its own.",
            file=sys.stderr,
        )
    return EXIT_OK
