"""`pleura prepare`: labelled scans -> training store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pleura.cli.run import print_json
from pleura.errors import EXIT_OK


def prepare(
    source: Path,
    store: Path,
    /,
    *,
    labels: str | None = None,
    layout: str | None = None,
    split: Path | None = None,
    patients: Path | None = None,
    set_name: Annotated[str | None, Parameter(name="--set")] = None,
    images: Annotated[tuple[Path, ...], Parameter(name="--images")] = (),
    long_side: int = 384,
    frame: str = "body",
    sides_by_model: str | None = None,
    json: bool = False,
) -> int:
    """Make (or renew) one source of a training store from labelled scans, split by patient.

    SOURCE is LUNA16, COVID-19-CT-Seg, TotalSegmentator's data set, imagesTr and labelsTr (nnU-Net,
    Decathlon), images and labels (or masks), DICOM CT with SEG or RTSTRUCT files, or what `pleura
    pseudo-label` wrote. What was found and left out is in STORE/SET/report.json. Several sources
    share one STORE: call it once for each.

    Parameters
    ----------
    source
        The data set's folder.
    store
        The store's folder; the source becomes a folder in it.
    labels
        Label scheme: pleura, luna16, lungmask, totalseg-lobes, covid-19-ct-seg or merged. Default:
        what the layout says, else pleura, or luna16 when the labels are exactly 3, 4 (and 5).
    layout
        luna16, covid-19-ct-seg, totalsegmentator, pseudo-labels, images-labels or dicom. Default:
        found out.
    split
        CSV with the columns set, name, patient, role. Default: by a hash of the patient.
    patients
        CSV with the columns name and patient, a row for every scan; scans of one patient get one
        role. Default: every scan is a patient of its own; of DICOM, every PatientID is.
    set_name
        Name of the data set in the split file and in the store. Default: the folder's name.
    images
        A further folder that holds images by name, or DICOM CT. May be repeated.
    long_side
        Pixels of a stored slice along its longer side, at most; 32 or more.
    frame
        What is kept of a slice: body (with a margin), or whole for a config with crop = "none".
    sides_by_model
        A bundled model's name (lungs) or a model folder: it draws the line between lungs that touch
        where the labels name no sides. Which pixels are lung stays as it is. Default: no sides.
    json
        Print the report as one JSON object.
    """
    import sys

    from rich.console import Console
    from rich.progress import track

    from pleura.lab.prepare import PrepareOptions, prepare_source
    from pleura.lab.store import StoreGrid

    options = PrepareOptions(
        labels, images, layout, split, patients, set_name,
        StoreGrid(long_side=long_side, frame=frame), sides_by_model,
    )  # fmt: skip
    console = Console(stderr=True)
    report = prepare_source(
        source, store, options,
        lambda pairs: track(
            pairs, "Preparing", console=console, transient=True, disable=not sys.stderr.isatty()
        ),
    )  # fmt: skip
    if json:
        print_json(report.record())
    else:
        print(report.summary())
    for left_out in report.left_out:
        print(f"Left out: {left_out}", file=sys.stderr)
    for warning in report.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return EXIT_OK
