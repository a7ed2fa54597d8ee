"""What a reader must know to judge a study's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from pleura import record as records
from pleura.infer.cpu import available_cores
from pleura.lab import run_folder
from pleura.lab.benchmark.machine import cpu_name
from pleura.lab.config import TrainConfig
from pleura.lab.split import ROLES
from pleura.lab.store import Store
from pleura.lab.study.config import StudyConfig


def facts(study: StudyConfig, store: Store) -> tuple[tuple[str, str], ...]:
    """Label and text, in the order of the page."""
    return (
        *data_facts(study, store),
        ("Budget", budget(study)),
        ("Shared by all rows", shared(study)[0]),
        ("Different", shared(study)[1]),
        ("Seeds", ", ".join(str(seed) for seed in study.seeds)),
        ("Training time", training_time(study)),
        ("Machine", f"{cpu_name()}, {available_cores()} cores; {trained_on(study)}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
        *study.notes.items(),
    )


def data_facts(study: StudyConfig, store: Store) -> Iterator[tuple[str, str]]:
    """Scans, patients and slices of each data set, by role."""
    for data in study.data:
        scans = [scan for scan in store.scans if scan.source == data.name]
        parts = []
        for role in ROLES:
            mine = [scan for scan in scans if scan.role == role]
            patients = len({scan.patient for scan in mine})
            slices = sum(scan.shape[0] for scan in mine)
            parts.append(f"{role} {len(mine)} scans of {patients} patients ({slices} slices)")
        yield f"Data set {data.name}", "; ".join(parts)


def budget(study: StudyConfig) -> str:
    """How long the runs are, and whether all are."""
    texts = []
    for row in study.rows:
        config = study.config_of(row, 0)
        batch = config.sampling.batch_size * config.accumulate
        if config.epochs:
            texts.append(f"{config.epochs} epochs over all slices, {batch} a step")
        else:
            texts.append(f"{config.steps} steps of {batch} slices")
    same = "each run" if len(set(texts)) == 1 else "not the same for all rows"
    return f"{'; '.join(dict.fromkeys(texts))} ({same})"


def shared(study: StudyConfig) -> tuple[str, str]:
    """What all rows have in common, and what else each has ("" for nothing)."""
    parts = {row.title: settings(study.config_of(row, 0)) for row in study.rows}
    common = [part for part in next(iter(parts.values())) if all(part in p for p in parts.values())]
    own = {row: [part for part in mine if part not in common] for row, mine in parts.items()}
    differing = "; ".join(f"{row}: {', '.join(mine)}" for row, mine in own.items() if mine)
    return "; ".join(common), differing


def settings(config: TrainConfig) -> list[str]:
    """The settings that a reader asks for, a phrase each."""
    rules, optimizer, network = config.preprocessing, config.optimizer, config.network
    low, high = rules.window_hu
    start = network.encoder_weights
    phrases = [
        network.encoder,
        f"loss {config.loss}",
        f"channels {' and '.join(network.channels)}",
        f"encoder starts from {Path(start).name}" if start else "random start",
        f"HU clipped to ({low:g}, {high:g})",
        f"scaling {rules.scaling}",
        f"{rules.long_side} pixels on the longer side",
        "cropped to the body" if rules.crop == "body" else "whole field of view",
        f"{optimizer.kind} {optimizer.learning_rate:g}",
        f"{optimizer.schedule} learning rate",
        f"augmentation {'on' if config.augment.enabled else 'off'}",
        config.precision,
        f"best checkpoint by validation {config.best_by}",
        f"post-processing {config.postprocessing}",
    ]
    if rules.stretch_hu:
        phrases.append(f"stretched from {rules.stretch_hu}")
    if config.ema:
        phrases.append(f"moving average {config.ema:g}")
    return phrases


def training_time(study: StudyConfig) -> str:
    """Minutes of all runs, and of each."""
    seconds = {}
    for row in study.rows:
        times = []
        for seed in study.seeds:
            epochs = run_folder.read_metrics(study.run_folder(row, seed))
            times.append(epochs[-1]["seconds"] if epochs else 0.0)
        seconds[row.title] = times
    total = sum(sum(times) for times in seconds.values())
    each = ", ".join(
        f"{title} {' and '.join(f'{t / 60:.1f}' for t in times)}"
        for title, times in seconds.items()
    )
    return f"{total / 60:.0f} minutes in all, validation included ({each} minutes)"


def versions() -> dict[str, str]:
    """Those of every result, and torch's."""
    return {**records.versions(), "torch": torch.__version__}


def trained_on(study: StudyConfig) -> str:
    """Threads and device of the runs, as they were recorded."""
    runs = [study.run_folder(row, seed) for row in study.rows for seed in study.seeds]
    records = [run_folder.read_record(run) for run in runs]
    kinds = {f"{record['threads']} threads on {record.get('device', 'cpu')}" for record in records}
    return f"trained with {' and with '.join(sorted(kinds))}"
