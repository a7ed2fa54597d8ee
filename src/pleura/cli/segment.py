"""`pleura segment`: one scan in, one mask out."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pleura.cli.run import print_json, printable
from pleura.cli.verdict import verdict_lines
from pleura.errors import EXIT_OK, EXIT_STRICT, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from pleura.result import Result


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
    probabilities: Path | None = None,
    measure: Path | None = None,
    sr: Path | None = None,
    deidentify: bool = False,
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
        Mask to write: .nii.gz, .nii, .nrrd, .mha or .mhd; of a DICOM series also .dcm (DICOM SEG)
        or .rtstruct.dcm (RTSTRUCT); a surface in patient millimetres: .stl, .obj or .glb.
        Default: <scan>_lungs.nii.gz here.
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
    probabilities
        Also write the network's probability of lung, 0 to 255 for 0 to 1, as .nii.gz, .nii, .nrrd,
        .mha or .mhd: uncalibrated, before clean-up and edges, so the mask isn't just its threshold.
    measure
        Also write volumes and densities: .csv or .json; as `pleura measure`.
    sr
        Also write volumes and densities as a DICOM structured report, which refers to the DICOM SEG
        (-o FILE.dcm).
    deidentify
        Leave the patient's data out of DICOM outputs, and replace UIDs (DICOM PS3.15 E.1).
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
    from pleura.result import with_output
    from pleura.segmenter import Segmenter, SegmentOptions

    scan = existing(scan)
    output = output or Path(f"{base_name(scan)}_lungs.nii.gz")
    outputs = Outputs(output, picture, probabilities, measure, sr, deidentify)
    check(outputs, scan)
    segmenter = Segmenter(model, threads=threads, engine=engine, precision=precision, device=device)
    options = SegmentOptions(
        series=series, airways=airways, merge=merge, probabilities=probabilities is not None
    )
    with SliceProgress(quiet=json) as progress:
        result = segmenter.segment(scan, options, progress.update)
    began = time.perf_counter()
    write(result, outputs)
    result = with_output(result, output, time.perf_counter() - began, probabilities)
    if json:
        print_json(result.record)
    else:
        print(summary(result.record, outputs))
    failed = result.quality.verdict == "fail"
    return EXIT_STRICT if strict and failed else EXIT_OK


@dataclass(frozen=True)
class Outputs:
    """The files of one call; None where one isn't wanted."""

    mask: Path
    picture: Path | None = None
    probabilities: Path | None = None
    measures: Path | None = None
    sr: Path | None = None
    deidentify: bool = False

    def files(self) -> tuple[Path | None, ...]:
        return self.mask, self.picture, self.probabilities, self.measures, self.sr


def check(outputs: Outputs, scan: Path) -> None:
    """Refuse outputs before any work is done; raises as `check_output` and `check_distinct`."""
    from pleura.write import (
        DICOM_SUFFIX,
        MASK_SUFFIXES,
        RTSTRUCT_SUFFIX,
        check_distinct,
        check_output,
        check_place,
    )

    check_output(outputs.mask, scan, MASK_SUFFIXES)
    if outputs.probabilities is not None:
        check_output(outputs.probabilities, scan)
    if outputs.sr is not None:
        check_output(outputs.sr, scan, (DICOM_SUFFIX,))
        name = outputs.mask.name.lower()
        if not name.endswith(DICOM_SUFFIX) or name.endswith(RTSTRUCT_SUFFIX):
            raise UsageError(
                f"{outputs.sr} would refer to a DICOM SEG, and {outputs.mask} is none; name one by "
                "-o FILE.dcm."
            )
    check_distinct(path for path in outputs.files() if path is not None)
    if outputs.picture is not None:
        if outputs.picture.suffix.lower() != ".png":
            raise UsageError(f"{outputs.picture} must end with .png.")
        check_place(outputs.picture, scan)
    if outputs.measures is not None:
        from pleura.cli.measure import check_table

        check_table(outputs.measures, scan)


def write(result: Result, outputs: Outputs) -> None:
    """All files or, after an error, none."""
    from pleura.write import DICOM_SUFFIX, write_mask, write_output
    from pleura.write.atomic import staging
    from pleura.write.signals import signals_held

    with ExitStack() as staged:
        if outputs.probabilities is not None:
            folder = staged.enter_context(staging(outputs.probabilities))
            write_mask(result.probabilities, folder / outputs.probabilities.name)
        if outputs.picture is not None:
            from pleura.report.picture import write_picture

            folder = staged.enter_context(staging(outputs.picture))
            write_picture(result.volume, result.mask, folder / outputs.picture.name)
        if outputs.measures is not None:
            from pleura import measure
            from pleura.cli.measure import write_table

            folder = staged.enter_context(staging(outputs.measures))
            found = measure(result.volume, result.mask)
            write_table(found.record, found.to_csv(), folder / outputs.measures.name)
        objects, origin = None, result.origin(outputs.deidentify)
        if outputs.mask.name.lower().endswith(DICOM_SUFFIX):
            from pleura.write.dicom.objects import DicomObjects

            objects = DicomObjects(result.mask, result.volume, origin)
            if outputs.sr is not None:
                folder = staged.enter_context(staging(outputs.sr))
                objects.write_sr(folder / outputs.sr.name, result.quality.verdict)
        folder = staged.enter_context(staging(outputs.mask))
        place = folder / outputs.mask.name
        write_output(result.mask, result.volume, place, origin, objects)
        with signals_held():  # all are on the disk, and get their names at once
            staged.close()


def base_name(scan: Path) -> str:
    """The scan's name without the suffix of its format; a folder's own name."""
    from pleura.read.files import SUFFIXES

    if scan.is_dir():
        return scan.resolve().name
    for suffix in (*SUFFIXES, ".dcm", ".zip"):
        if scan.name.lower().endswith(suffix):
            return scan.name[: -len(suffix)]
    return scan.name


def summary(record: Mapping[str, Any], outputs: Outputs) -> str:
    """The result in a few lines for people."""
    volumes, timings = record["volumes_ml"], record["timings_s"]
    lines = [f"{name.capitalize():<8} {ml:9.1f} ml" for name, ml in volumes.items()]
    lines += verdict_lines(record["quality"])
    lines.append(f"Mask     {record['output']}")
    named = {
        "Picture": outputs.picture, "Measures": outputs.measures, "Report": outputs.sr,
        "Probabilities": outputs.probabilities,
    }  # fmt: skip
    lines += [f"{name:<8} {path}" for name, path in named.items() if path is not None]
    lines.append(f"Time     {timings['total']:.1f} s")
    return "\n".join(map(printable, lines))


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
