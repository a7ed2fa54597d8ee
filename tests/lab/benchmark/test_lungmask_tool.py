"""lungmask's options, and lungmask made ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pleura.errors import PleuraError, UsageError
from pleura.lab.benchmark.lungmask_tool import LungmaskOptions, open_lungmask
from pleura.lab.benchmark.plan import Scan
from pleura.lab.benchmark.tools import Job


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "r231.pth"
    path.write_bytes(b"weights")
    return path


def silent(_: str) -> None:
    pass


def test_options_that_do_not_fit(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(UsageError, match="not both"):
        LungmaskOptions("python", tmp_path)
    with pytest.raises(UsageError, match="--lungmask-batch must be 1 or more"):
        LungmaskOptions("python", batch=0)
    with pytest.raises(UsageError, match="needs --lungmask or --install-lungmask"):
        LungmaskOptions(weights=weights)
    with pytest.raises(UsageError, match=r"no lungmask weights at .*none\.pth"):
        LungmaskOptions("python", weights=tmp_path / "none.pth")


def test_left_out(tmp_path: Path) -> None:
    assert open_lungmask(LungmaskOptions(), 1, tmp_path, silent) is None


def test_given_weights(stand_in: Path, tmp_path: Path, weights: Path) -> None:
    options = LungmaskOptions(folder=stand_in, weights=weights, batch=8, device="cuda")
    lungmask = open_lungmask(options, 3, tmp_path, silent)
    assert lungmask is not None and lungmask.has_accuracy
    assert lungmask.title == "lungmask 0.2.22, weights r231.pth, batch 8"
    assert lungmask.record()["weights"] == "given"
    scan = Scan(tmp_path / "study", (), tmp_path / "series")
    call = lungmask.warm(Job(scan, tmp_path / "out.nii.gz", None, tmp_path), 2)
    mode, source, _, asked = call.command[2:]
    assert (mode, source) == ("warm", str(tmp_path / "series"))  # not the study of many series
    assert json.loads(asked) == {
        "weights": str(weights), "batch": 8, "threads": 3, "cpu": False, "calls": 2,
    }  # fmt: skip
    assert call.environment["OMP_NUM_THREADS"] == call.environment["MKL_NUM_THREADS"] == "3"


def test_random_weights(stand_in: Path, tmp_path: Path) -> None:
    lungmask = open_lungmask(LungmaskOptions(folder=stand_in), 1, tmp_path, silent)
    assert lungmask is not None and not lungmask.has_accuracy
    assert lungmask.weights.parent == tmp_path and lungmask.weights.is_file()
    assert "RANDOM WEIGHTS" in lungmask.title and lungmask.record()["weights"] == "random"


def test_another_lungmask_whose_network_is_another(stand_in: Path, tmp_path: Path) -> None:
    (stand_in / "lungmask" / "resunet.py").write_text("class UNet:\n    pass\n")
    with pytest.raises(PleuraError, match=r"network can't be made \(TypeError"):
        open_lungmask(LungmaskOptions(folder=stand_in), 1, tmp_path, silent)
