"""Fixtures of the lab's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pleura.lab.config import TrainConfig
from pleura.lab.train import train
from tests.lab.small_store import training_store
from tests.lab.tiny import narrow, tiny_config


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from threads, and lose much when cores are busy.

    Once for all: torch 2.13 on a CPU can crash in a backward pass when the number of threads has
    changed since an earlier training of the process.
    """
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def narrow_network() -> Iterator[None]:
    """Every network of the module has few channels."""
    with narrow():
        yield


@pytest.fixture(scope="package")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run of seconds on a tiny store: `small_store.training_store`."""
    store = tmp_path_factory.mktemp("tiny") / "store"
    training_store(store)
    return tiny_config(store)


@pytest.fixture(scope="package")
def teacher(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on that store, with few channels, as other runs name it."""
    run = tmp_path_factory.mktemp("teacher") / "run"
    with narrow():
        train(replace(config, seed=1, steps=4, steps_per_epoch=4), run)
    return run
