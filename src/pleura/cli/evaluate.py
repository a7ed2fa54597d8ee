"""`pleura evaluate`: masks against reference masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pleura.cli.run import print_json
from pleura.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from pleura.lab.evaluate import EvaluateOptions, Row


def evaluate(
    prediction: Path,
    reference: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    against: Path | None = None,
    plot: Path | None = None,
    patients: Path | None = None,
    pred_labels: str | None = None,
    ref_labels: str | None = None,
    against_labels: str | None = None,
    labels: str | None = None,
    merge: bool = False,
    airways: bool = False,
    resample: bool = False,
    baseline: Path | None = None,
    json: bool = False,
) -> int:
    """Compare masks with reference masks: two files, or two folders matched by scan name.

    Prints Dice, HD95, ASSD, NSD and volumes of both lungs and of each side, per scan and over
    scans (mean, median, worst, 95 % bootstrap interval).

    Parameters
    ----------
    prediction
        A mask, or a folder of masks.
    reference
        The reference mask, or the folder of references.
    output
        Also write the table: .csv (a line per scan and structure), .md or .json.
    against
        Other predictions of the same references (a mask, or a folder): mean differences with 95 %
        intervals, paired Wilcoxon tests (Holm-adjusted), volume agreement; with -o also a plot.
    plot
        Write a Bland-Altman plot of lung volumes (prediction minus reference): .png or .svg.
    patients
        CSV with the columns name and patient, when a patient has several scans: intervals and
        tests are then over patients.
    pred_labels
        Label scheme of the predictions: pleura, luna16, lungmask, totalseg-lobes,
        covid-19-ct-seg or merged.
    ref_labels
        Label scheme of the references.
    against_labels
        Label scheme of the other predictions.
    labels
        Label scheme of all.
    merge
        Compare both lungs together only.
    airways
        Also compare trachea and main bronchi.
    resample
        Bring predictions on another grid onto their reference's (nearest neighbour).
    baseline
        The scan, or the folder of scans by name: a classical threshold segmentation of them is
        scored beside the predictions.
    json
        Print one JSON object.
    """
    from pleura.lab.evaluate import EvaluateOptions
    from pleura.lab.evaluation_report import EvaluationReport
    from pleura.read import existing

    prediction, reference, against = _inputs(prediction, reference, against)
    baseline = existing(baseline) if baseline is not None else None
    picture = _outputs(output, plot, (prediction, reference, against))
    _need(scipy=against is not None, matplotlib=picture is not None)
    whose = _patients(patients, reference)
    options = EvaluateOptions(pred_labels or labels, ref_labels or labels, merge, airways, resample)
    rows = _rows(prediction, reference, options, "--pred-labels")
    others = scored = None
    if against is not None:
        other_options = replace(options, pred_labels=against_labels or labels)
        others = _rows(against, reference, other_options, "--against-labels")
        if not against.is_dir():  # two files of one scan needn't have one name
            others = [{**others[0], "name": rows[0]["name"]}]
    if baseline is not None:
        from pleura.lab.score_baseline import evaluate_baseline

        scored = evaluate_baseline(baseline, reference, options)
    titles = _titles(prediction, against)
    report = EvaluationReport(rows, titles[0], whose, others, titles[1], scored)
    if plot is None and not report.can_plot:
        picture = None
    if picture is not None:
        report.plot(picture)
    if output is not None:
        report.write(output, picture)
    if json:
        print_json(report.record())
    else:
        print(report.markdown())
    return EXIT_OK


def _inputs(
    prediction: Path, reference: Path, against: Path | None
) -> tuple[Path, Path, Path | None]:
    from pleura.read import existing

    prediction, reference = existing(prediction), existing(reference)
    if prediction.is_dir() != reference.is_dir():
        raise UsageError("One of the two is a folder; give two masks or two folders.")
    if against is not None:
        against = existing(against)
        if against.is_dir() != prediction.is_dir():
            kind = "folder" if prediction.is_dir() else "mask"
            raise UsageError(f"The predictions are a {kind}, so --against must be a {kind} too.")
    return prediction, reference, against


def _outputs(
    output: Path | None, plot: Path | None, inputs: tuple[Path, Path, Path | None]
) -> Path | None:
    """Where the plot goes, if anywhere; refuses places and suffixes before any work is done."""
    from pleura.lab.evaluation_report import TABLE_SUFFIXES
    from pleura.lab.plots import PLOT_SUFFIXES
    from pleura.write import check_place

    for path, suffixes in ((output, TABLE_SUFFIXES), (plot, PLOT_SUFFIXES)):
        if path is None:
            continue
        if path.suffix.lower() not in suffixes:
            words = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
            raise UsageError(f"{path} must end with {words}.")
        check_place(path, None)
    if plot is not None:  # masks may be PNGs too
        for source in inputs:
            check_place(plot, source)
    if plot is None and output is not None and inputs[2] is not None:
        # Not a PNG: in a folder of masks that would count as one.
        return output.with_name(f"{output.stem}_bland_altman.svg")
    return plot


def _need(**modules: bool) -> None:
    """Say that an extra is missing before minutes of work, not after."""
    from importlib.util import find_spec

    for module, needed in modules.items():
        if needed and find_spec(module) is None:
            raise ModuleNotFoundError(name=module)


def _patients(table: Path | None, reference: Path) -> dict[str, str] | None:
    if table is None:
        return None
    from pleura.lab.evaluate import named_masks
    from pleura.lab.patients import check_patients, read_patients

    if not reference.is_dir():
        raise UsageError("One scan has one patient; --patients is for folders.")
    patients = read_patients(table)
    check_patients(patients, named_masks(reference), table)
    return patients


def _rows(
    prediction: Path, reference: Path, options: EvaluateOptions, labels_option: str
) -> list[Row]:
    from pleura.lab import evaluate as lab
    from pleura.lab.label_one import check_label_one

    if prediction.is_dir():
        rows = lab.evaluate_folders(prediction, reference, options)
    else:
        rows = [lab.evaluate(prediction, reference, options)]
    if all(row["error"] for row in rows):
        first = rows[0]
        raise UsageError(
            f"None of the {len(rows)} pairs could be evaluated; the first, '{first['name']}': "
            f"{first['error']['message']}"
        )
    check_label_one(rows, options, (labels_option, "--ref-labels"))
    return rows


def _titles(prediction: Path, against: Path | None) -> tuple[str, str]:
    """What to call the two sets: their names, with the folder's where those are equal."""
    paths = [path.resolve() for path in (prediction, against or prediction)]
    names = [path.name for path in paths]
    if against is not None and names[0] == names[1]:
        names = [f"{path.parent.name}/{path.name}" for path in paths]
    if names[0] == names[1]:
        names = ["prediction", "against"]
    return names[0], names[1]
