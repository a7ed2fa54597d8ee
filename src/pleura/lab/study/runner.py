"""`pleura study`: prepare -> train -> export -> score -> report. Reads top to bottom.

FOLDER/runs/<row>-seed<n>     training runs, resumed where they were stopped
FOLDER/models/<row>-seed<n>   their exported models
FOLDER/scores.jsonl           a line a method and scan
FOLDER/table.md ...           the report, see `lab.study.report`

What is finished is not repeated: a study that is killed goes on where it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from pleura.errors import UsageError
from pleura.findings import count_of
from pleura.infer.model_folder import open_model
from pleura.lab import checkpoint, run_folder
from pleura.lab.export import ExportOptions, export_run
from pleura.lab.study.config import Row, StudyConfig
from pleura.lab.study.data import Tracker, prepared_store
from pleura.lab.study.facts import facts
from pleura.lab.study.methods import (
    LUNGMASK_TITLE,
    BaselineMethod,
    LungmaskMethod,
    Method,
    ModelMethod,
)
from pleura.lab.study.pictures import PICTURE_NOTE, worst_cases
from pleura.lab.study.scores import Curve, StudyRecord
from pleura.lab.study.scoring import Scores, cases, score_all
from pleura.lab.train import Progress as StepProgress
from pleura.lab.train import train
from pleura.write.atomic import write_bytes


class Progress(Tracker, Protocol):
    """What shows a study's progress: stages, items worked on, training steps."""

    def training(self, title: str) -> StepProgress:
        """What a run reports its steps to."""


def run_study(study: StudyConfig, progress: Progress, threads: int = 0) -> StudyRecord:
    """Do what is left of a study and return what it measured.

    Args:
        study: what to do.
        progress: told of every stage.
        threads: of inference; 0 takes all cores (training takes torch's own number).

    Raises:
        UsageError: a config, data set or model that can't be used.
    """
    missing: dict[str, str] = {}
    # What can't be had is said before hours of work.
    others = other_methods(study, missing, threads)
    check_weights(study)
    check_runs(study)
    store = prepared_store(study, progress)
    for row, seed in runs(study):
        finish_run(study, row, seed, progress)
    trained = [
        ModelMethod(row.title, seed, study.model_folder(row, seed), threads)
        for row, seed in runs(study)
    ]
    methods: list[Method] = [*trained, *others]
    check_titles(methods)
    progress.say("Scoring")
    todo = cases(store, study.data)
    kept = Scores(study.folder / "scores.jsonl")
    scores = score_all(methods, progress.track(todo, "Scoring"), kept)
    progress.say("Drawing the worst cases")
    titles = tuple(dict.fromkeys(method.row for method in methods))
    return StudyRecord(
        title=study.title,
        rows=titles,
        reference_row=study.reference_row,
        scores=tuple(scores),
        curves=tuple(curve_of(study, row, seed) for row, seed in runs(study)),
        pictures=tuple(worst_cases(methods, todo, scores)),
        facts=facts(study, store),
        missing=tuple(missing.items()),
        picture_note=PICTURE_NOTE,
        models=tuple(method.row for method in others if not isinstance(method, BaselineMethod)),
    )


def runs(study: StudyConfig) -> list[tuple[Row, int]]:
    """(row, seed) of every training run; all rows with the first seed come first."""
    return [(row, seed) for seed in study.seeds for row in study.rows]


def check_weights(study: StudyConfig) -> None:
    """Raise UsageError when a row's encoder weights aren't there."""
    for row in study.rows:
        path = study.config_of(row, 0).network.encoder_weights
        if path is not None and not Path(path).is_file():
            raise UsageError(
                f"There are no encoder weights at {path}, which the row '{row.title}' starts from; "
                "put torchvision's file there, or delete encoder_weights for a random start."
            )


def other_methods(study: StudyConfig, missing: dict[str, str], threads: int) -> list[Method]:
    """Rows that aren't trained; `missing` takes lungmask when no weights were given.

    Raises:
        ModelError: an unknown or damaged model.
        UsageError: lungmask's weights or package aren't there.
    """
    methods: list[Method] = [BaselineMethod()] if study.others.baseline else []
    for model in study.others.models:
        spec = open_model(model).spec
        methods.append(ModelMethod(f"{spec.name} {spec.version}", None, model, threads))
    if study.others.lungmask_weights:
        methods.append(LungmaskMethod(Path(study.others.lungmask_weights)))
    else:
        missing[LUNGMASK_TITLE] = "No weights were given (others.lungmask_weights)."
    return methods


def check_runs(study: StudyConfig) -> None:
    """Raise UsageError when runs were trained with other settings than the study has now."""
    stale = [
        (row, run)
        for row, seed in runs(study)
        if ((run := study.run_folder(row, seed)) / "config.json").exists()
        and run_folder.read_config(run) != study.config_of(row, seed)
    ]
    if stale:
        row, run = stale[0]
        more = f" and {count_of(len(stale) - 1, 'more run')}" if len(stale) > 1 else ""
        raise UsageError(
            f"The settings of '{row.title}' have changed since {run}{more} was trained; delete "
            "what has changed to train it anew, or give the study another folder."
        )


def check_titles(methods: list[Method]) -> None:
    """Raise UsageError when two rows can't be told apart."""
    names = [(method.row, method.seed) for method in methods]
    for row, seed in names:
        if names.count((row, seed)) > 1:
            raise UsageError(f"Two rows are called '{row}'; rename one, or name a model once.")


def finish_run(study: StudyConfig, row: Row, seed: int, progress: Progress) -> None:
    """Train a row with a seed and export its best checkpoint, as far as that isn't done."""
    run, model = study.run_folder(row, seed), study.model_folder(row, seed)
    title = f"{row.title}, seed {seed}"
    progress.say(f"Training {title}")
    train(study.config_of(row, seed), run, progress.training(title))
    state = checkpoint.read_state(run / "best.safetensors")
    marker = model / "exported.json"
    wanted = {"step": state["step"], "seconds": state["seconds"]}
    if read_marker(marker) != wanted:
        export_run(run, model, ExportOptions(version="0.0.0", name=f"{row.slug}-seed{seed}"))
        write_bytes(marker, json.dumps(wanted).encode())


def read_marker(path: Path) -> Any:
    """What was exported; None when that isn't known."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def curve_of(study: StudyConfig, row: Row, seed: int) -> Curve:
    """A run's epochs, from its metrics; raises UsageError when they can't be read."""
    run = study.run_folder(row, seed)
    epochs: list[dict[str, Any]] = run_folder.read_metrics(run)
    best = [epoch["step"] for epoch in epochs if epoch["best"]]
    return Curve(
        row=row.title,
        seed=seed,
        steps=tuple(epoch["step"] for epoch in epochs),
        loss=tuple(epoch["loss"] for epoch in epochs),
        validation_dice=tuple(epoch["dice"]["mean"] for epoch in epochs),
        best_step=best[-1] if best else 0,
        seconds=epochs[-1]["seconds"] if epochs else 0.0,
    )
