"""A study's data sets in its store: prepared when they are missing, checked when they are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, TypeVar

from pleura.errors import UsageError
from pleura.lab.prepare import REPORT, PrepareOptions, prepare_source, split_of
from pleura.lab.sources import find_pairs
from pleura.lab.store import Scan, Store, StoreGrid
from pleura.lab.study.config import DataSet, StudyConfig

T = TypeVar("T")


class Tracker(Protocol):
    """What shows progress; see `runner.Progress`."""

    def say(self, sentence: str) -> None: ...
    def track(self, items: Sequence[T], title: str) -> Iterable[T]: ...


def store_path(study: StudyConfig) -> Path:
    """The one store that all rows train from.

    Raises:
        UsageError: a row names another store.
    """
    stores = {study.config_of(row, 0).store for row in study.rows}
    if len(stores) != 1:
        raise UsageError(f"All rows must train from one store, not from {', '.join(stores)}.")
    return Path(stores.pop())


def prepared_store(study: StudyConfig, progress: Tracker) -> Store:
    """The store with all data sets; those that it lacks are put into it.

    Raises:
        UsageError: a data set was prepared in another way than the study says, or the store has
            further ones, which would train too.
    """
    path = store_path(study)
    check_paths(study)
    for data in study.data:
        if (path / data.name / "index.json").exists():
            continue
        progress.say(f"Preparing {data.name}")
        path.mkdir(parents=True, exist_ok=True)
        prepare_source(
            Path(data.source), path, options_of(study, data),
            lambda pairs: progress.track(tuple(pairs), "Preparing"),
        )  # fmt: skip
    store = Store(path)
    known = {data.name for data in study.data}
    for scan in store.scans:
        if scan.source not in known:
            raise UsageError(
                f"The store {path} also has '{scan.source}', which the study doesn't name; add it "
                "as [[data]], or give the study a store of its own."
            )
    for data in study.data:
        check_prepared(
            path / data.name, study, data, [s for s in store.scans if s.source == data.name]
        )
    return store


def check_paths(study: StudyConfig) -> None:
    """Raise UsageError when a data set's folder or file isn't there, before any is prepared."""
    for data in study.data:
        for folder in (data.source, *data.images):
            if not Path(folder).is_dir():
                raise UsageError(
                    f"There is no folder {folder}, which the data set '{data.name}' names."
                )
        for file in (data.split, data.patients):
            if file is not None and not Path(file).is_file():
                raise UsageError(
                    f"There is no file {file}, which the data set '{data.name}' names."
                )


def options_of(study: StudyConfig, data: DataSet) -> PrepareOptions:
    """How `pleura prepare` would be called for the data set."""
    return PrepareOptions(
        labels=data.labels,
        more_images=data.search().more_images,
        layout=data.layout,
        split=Path(data.split) if data.split else None,
        patients=Path(data.patients) if data.patients else None,
        set_name=data.name,
        grid=StoreGrid(long_side=study.store_long_side, frame=study.store_frame),
    )


def check_prepared(folder: Path, study: StudyConfig, data: DataSet, scans: Sequence[Scan]) -> None:
    """Raise UsageError when a data set in the store isn't what the study would prepare."""
    options = options_of(study, data)
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    split = split_of(options, data.name)
    patients: dict[str, str | None] = {}
    if split.file is None:  # then the layout or the name says who is who
        _, found = find_pairs(data.search(), data.layout)
        patients = {pair.name: pair.patient for pair in found.pairs}
    report = folder / REPORT
    labels = json.loads(report.read_text(encoding="utf-8"))["labels"] if report.exists() else {}
    different = {
        "grid or frame": index["grid"] != asdict(options.grid),
        "split": any(split.of(s.name, patients.get(s.name)) != (s.patient, s.role) for s in scans),
        "label scheme": bool(data.labels and labels and set(labels) != {data.labels}),
    }
    for what, differs in different.items():
        if differs:
            raise UsageError(
                f"{folder} was prepared with another {what} than the study says; delete it to "
                "prepare it anew, or give the study a store and a folder of its own."
            )
