"""`pleura evaluate`: masks against reference masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pleura.cli.run import print_json
from pleura.errors import EXIT_OK, UsageError


def evaluate(
    prediction: Path,
    reference: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    pred_labels: str | None = None,
    ref_labels: str | None = None,
    labels: str | None = None,
    merge: bool = False,
    airways: bool = False,
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
    pred_labels
        Label scheme of the predictions: pleura, luna16, lungmask, totalseg-lobes or merged.
    ref_labels
        Label scheme of the references.
    labels
        Label scheme of both.
    merge
        Compare both lungs together only.
    airways
        Also compare trachea and main bronchi.
    baseline
        The scan, or the folder of scans by name: a classical threshold segmentation of them is
        scored beside the predictions.
    json
        Print one JSON object.
    """
    from pleura.lab import evaluate as lab
    from pleura.read import existing
    from pleura.write import check_place

    prediction, reference = existing(prediction), existing(reference)
    if prediction.is_dir() != reference.is_dir():
        raise UsageError("One of the two is a folder; give two masks or two folders.")
    if output is not None:
        if output.suffix.lower() not in (".csv", ".md", ".json"):
            raise UsageError(f"{output} must end with .csv, .md or .json.")
        check_place(output, None)
    options = lab.EvaluateOptions(pred_labels or labels, ref_labels or labels, merge, airways)
    if prediction.is_dir():
        rows = lab.evaluate_folders(prediction, reference, options)
    else:
        rows = [lab.evaluate(prediction, reference, options)]
    record = {"schema_version": 1, "scans": rows, "summary": lab.summary(rows)}
    if baseline is not None:
        from pleura.lab.score_baseline import evaluate_baseline

        scored = evaluate_baseline(existing(baseline), reference, options)
        record["baseline"] = {"scans": scored, "summary": lab.summary(scored)}
    if output is not None:
        _write(record, output)
    if json:
        print_json(record)
    else:
        print(_markdown(record))
    return EXIT_OK


def _markdown(record: Mapping[str, Any]) -> str:
    from pleura.lab.tables import to_markdown

    text = to_markdown(record["scans"])
    if "baseline" in record:
        text += "\n\n## Threshold baseline\n\n" + to_markdown(record["baseline"]["scans"])
    return text


def _write(record: Mapping[str, Any], output: Path) -> None:
    import json

    from pleura.lab.tables import write_csv
    from pleura.write.atomic import write_bytes

    if output.suffix.lower() == ".csv":
        write_csv([*record["scans"], *record.get("baseline", {}).get("scans", [])], output)
    elif output.suffix.lower() == ".md":
        write_bytes(output, _markdown(record).encode())
    else:
        write_bytes(output, json.dumps(record, indent=1, allow_nan=False).encode())
