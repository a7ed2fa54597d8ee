from __future__ import annotations

import os

import numpy as np
import pytest

from pleura.errors import ModelError, UsageError
from pleura.infer.engine import EngineOptions, load_engine
from pleura.infer.model_folder import open_model
from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine, available_cores


def test_the_bundled_network_gives_probabilities_of_any_batch_and_size() -> None:
    engine = load_engine(open_model(), EngineOptions(threads=1))
    random = np.random.default_rng(0)
    for shape in ((1, 1, 64, 96), (3, 1, 192, 256)):
        probabilities = engine(random.random(shape, dtype=np.float32))
        assert probabilities.shape == (shape[0], 3, *shape[2:])
        assert probabilities.dtype == np.float32
        assert 0 <= probabilities.min() <= probabilities.max() <= 1


def test_a_slice_does_not_depend_on_its_batch() -> None:
    engine = load_engine(open_model(), EngineOptions(threads=1))
    batch = np.random.default_rng(1).random((3, 1, 64, 64), dtype=np.float32)
    alone = np.concatenate([engine(batch[k : k + 1]) for k in range(3)])
    assert np.abs(engine(batch) - alone).max() < 1e-4


def test_no_threads_means_all_cores() -> None:
    engine = load_engine(open_model(), EngineOptions())
    assert engine.threads == available_cores() <= (os.cpu_count() or 1)


def test_a_file_that_is_no_network(tmp_path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="no network"):
        OnnxRuntimeEngine(tmp_path / "x.onnx", 1)


@pytest.mark.parametrize(
    "options", [{"name": "abacus"}, {"precision": "int3"}, {"threads": -1}], ids=str
)
def test_unknown_options(options: dict) -> None:
    with pytest.raises(UsageError):
        EngineOptions(**options)
