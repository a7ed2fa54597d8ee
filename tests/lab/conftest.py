"""Fixtures of the lab's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pleura.lab.config import TrainConfig
from tests.lab.small_store import training_store
from tests.lab.tiny import narrow, tiny_config


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much when cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
