"""`pleura study`: prepare -> train -> export -> score -> report. Reads top to bottom.

FOLDER/runs/<row>-seed<n>     training runs, resumed where they were stopped
FOLDER/models/<row>-seed<n>   their exported models
FOLDER/scores.jsonl           a line a method and scan
FOLDER/table.md ...           the report, see `lab.study.report`

What is finished is not repeated: a study that is killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pleura.errors import UsageError
from pleura.infer.model_folder import open_model
from pleura.lab import checkpoint, run_folder
from pleura.lab.export import ExportOptions, export_run
from pleura.lab.prepare import PrepareOptions, prepare_source
from pleura.lab.store import Store, StoreGrid
from pleura.lab.study.config import DataSet, Row, StudyConfig
from pleura.lab.study.facts import facts
from pleura.lab.study.methods import BaselineMethod, LungmaskMethod, Method, ModelMethod
from pleura.lab.study.pictures import PICTURE_NOTE, worst_cases
from pleura.lab.study.scores import Curve, StudyRecord
from pleura.lab.study.scoring import Scores, cases, score_all
from pleura.lab.train import Progress as StepProgress
from pleura.lab.train import train

T = TypeVar("T")


class Progress(Protocol):
    """What shows a study's progress."""

    def say(self, sentence: str) -> None:
        """A new stage."""

    def training(self, title: str) -> StepProgress:
        """What a run reports its steps to."""

    def track(self, items: Sequence[T], title: str) -> Iterable[T]:
        """The items, while they are worked on."""


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
    prepare_missing(study, progress)
    store = Store(store_path(study))
    for row, seed in runs(study):
        finish_run(study, row, seed, progress)
    trained = [
        ModelMethod(row.title, seed, study.model_folder(row, seed), threads)
        for row, seed in runs(study)
    ]
    methods: list[Method] = [*trained, *others]
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
    )


def runs(study: StudyConfig) -> list[tuple[Row, int]]:
    """(row, seed) of every training run; all rows with the first seed come first."""
    return [(row, seed) for seed in study.seeds for row in study.rows]


def store_path(study: StudyConfig) -> Path:
    """The one store that all rows train from.

    Raises:
        UsageError: a row names another store.
    """
    stores = {study.config_of(row, 0).store for row in study.rows}
    if len(stores) != 1:
        raise UsageError(f"All rows must train from one store, not from {', '.join(stores)}.")
    return Path(stores.pop())


def prepare_missing(study: StudyConfig, progress: Progress) -> None:
    """Put the data sets that the store lacks into it."""
    store = store_path(study)
    for data in study.data:
        if (store / data.name / "index.json").exists():
            continue
        progress.say(f"Preparing {data.name}")
        store.mkdir(parents=True, exist_ok=True)
        prepare_source(
            Path(data.source), store, prepare_options(study, data),
            lambda pairs: progress.track(tuple(pairs), "Preparing"),
        )  # fmt: skip


def prepare_options(study: StudyConfig, data: DataSet) -> PrepareOptions:
    return PrepareOptions(
        labels=data.labels,
        more_images=data.search().more_images,
        layout=data.layout,
        split=Path(data.split) if data.split else None,
        patients=Path(data.patients) if data.patients else None,
        set_name=data.name,
        grid=StoreGrid(long_side=study.store_long_side, frame=study.store_frame),
    )


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
    """Rows that aren't trained; those that can't be had go into `missing` with the reason."""
    methods: list[Method] = [BaselineMethod()] if study.others.baseline else []
    for model in study.others.models:
        spec = open_model(model).spec
        methods.append(ModelMethod(f"{spec.name} {spec.version}", None, model, threads))
    if not study.others.lungmask_weights:
        missing["lungmask R231"] = "No weights were given (others.lungmask_weights)."
    else:
        try:
            methods.append(LungmaskMethod(Path(study.others.lungmask_weights)))
        except UsageError as error:
            missing["lungmask R231"] = str(error)
    return methods


def finish_run(study: StudyConfig, row: Row, seed: int, progress: Progress) -> None:
    """Train a row with a seed and export its best checkpoint, as far as that isn't done."""
    run, model = study.run_folder(row, seed), study.model_folder(row, seed)
    title = f"{row.title}, seed {seed}"
    progress.say(f"Training {title}")
    train(study.config_of(row, seed), run, progress.training(title))
    state = checkpoint.read_state(run / "best.safetensors")
    marker = model / "exported.json"
    wanted = {"step": state["step"], "seconds": state["seconds"]}
    if not marker.exists() or json.loads(marker.read_text(encoding="utf-8")) != wanted:
        export_run(run, model, ExportOptions(version="0.0.0", name=f"{row.slug}-seed{seed}"))
        marker.write_text(json.dumps(wanted), encoding="utf-8")


def curve_of(study: StudyConfig, row: Row, seed: int) -> Curve:
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
