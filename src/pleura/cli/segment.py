"""`pleura segment`: one scan in, one mask out."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pleura.cli.run import print_json
from pleura.errors import EXIT_OK, EXIT_STRICT, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from pleura.segmenter import Result


def segment(
    scan: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    series: str | None = None,
    threads: int = 0,
    model: str = "lungs",
    engine: str = "auto",
    precision: str = "auto",
    device: str = "cpu",
    picture: Path | None = None,
    airways: bool = False,
    merge: bool = False,
    json: bool = False,
    strict: bool = False,
) -> int:
    """Segment a chest CT: one scan in, one mask out.

    Labels in the mask: 1 right lung, 2 left lung (the patient's sides).

    Parameters
    ----------
    scan
        DICOM folder, DICOM file, zip of DICOM, .nii(.gz), .nrrd, .nhdr, .mha, .mhd, or a
        single-slice .tif.
    output
        Mask to write: .nii.gz, .nii, .nrrd, .mha or .mhd. Default: <scan>_lungs.nii.gz here.
    series
        DICOM series to use, by UID or number. Default: the best axial chest series.
    threads
        Threads of inference; 0 takes all cores.
    model
        A bundled model's name or a model folder.
    engine
        auto, openvino or onnxruntime; auto takes the fastest that works here.
    precision
        auto, fp32, bf16 or int8; auto takes the fastest that model and CPU have.
    device
        cpu, or cuda with onnxruntime-gpu.
    picture
        Also write an overlay picture (PNG).
    airways
        Also label trachea and main bronchi (3).
    merge
        One label 1 for both lungs.
    json
        Print the result as one JSON object.
    strict
        Exit with 3 when the verdict is fail.
    """
    from pleura.read import existing
    from pleura.segmenter import Segmenter, SegmentOptions, with_output
    from pleura.write import check_output, check_place

    scan = existing(scan)
    output = output or Path(f"{base_name(scan)}_lungs.nii.gz")
    check_output(output, scan)
    if picture is not None:
        if picture.suffix.lower() != ".png":
            raise UsageError(f"{picture} must end with .png.")
        check_place(picture, scan)
    segmenter = Segmenter(model, threads=threads, engine=engine, precision=precision, device=device)
    options = SegmentOptions(series=series, airways=airways, merge=merge)
    with SliceProgress(quiet=json) as progress:
        result = segmenter.segment(scan, options, progress.update)
    began = time.perf_counter()
    write(result, output, picture)
    result = with_output(result, output, time.perf_counter() - began)
    if json:
        print_json(result.record)
    else:
        print(summary(result.record, picture))
    failed = result.quality.verdict == "fail"
    return EXIT_STRICT if strict and failed else EXIT_OK


def write(result: Result, output: Path, picture: Path | None) -> None:
    """Both files or, after an error, neither."""
    from pleura.write import write_mask

    if picture is None:
        write_mask(result.mask, output)
        return
    from pleura.report.picture import write_picture
    from pleura.write.atomic import staging

    # The picture is on the disk, all but renamed, before the mask is written.
    with staging(picture) as folder:
        write_picture(result.volume, result.mask, folder / picture.name)
        write_mask(result.mask, output)


def base_name(scan: Path) -> str:
    """The scan's name without the suffix of its format; a folder's own name."""
    from pleura.read.files import SUFFIXES

    if scan.is_dir():
        return scan.resolve().name
    for suffix in (*SUFFIXES, ".dcm", ".zip"):
        if scan.name.lower().endswith(suffix):
            return scan.name[: -len(suffix)]
    return scan.name


def summary(record: Mapping[str, Any], picture: Path | None) -> str:
    """The result in a few lines for people."""
    volumes, quality, timings = record["volumes_ml"], record["quality"], record["timings_s"]
    lines = [f"{name.capitalize():<8} {ml:9.1f} ml" for name, ml in volumes.items()]
    lines.append(f"Verdict  {quality['verdict']}")
    lines += [f"  {finding['severity']}: {finding['message']}" for finding in quality["findings"]]
    lines.append(f"Mask     {record['output']}")
    if picture is not None:
        lines.append(f"Picture  {picture}")
    lines.append(f"Time     {timings['total']:.1f} s")
    return "\n".join(lines)


class SliceProgress:
    """A progress bar over slices on standard error, shown on a terminal only."""

    def __init__(self, quiet: bool) -> None:
        self._bar: RichProgress | None = None
        if quiet or not sys.stderr.isatty():
            return
        from rich.console import Console  # a tenth of a second, for the bar alone
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("Segmenting", total=None)

    def __enter__(self) -> SliceProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, slices: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=slices)
