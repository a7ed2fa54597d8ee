"""Phantoms as files, and the command line called in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

from pleura.cli import main
from pleura.record import schema
from pleura.volume import Geometry, nibabel_image, sitk_image
from tests.engines import ThresholdEngine
from tests.phantom import Phantom, chest

SMALL = ((4, 64, 64), (24.0, 6.0, 6.0))  # cheap; the bundled network finds lung in it


def small() -> Phantom:
    return chest(*SMALL)


def tissue(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """HU int16 in no order, of air, lung and soft tissue, so that they pass as CT."""
    rng = np.random.default_rng(seed)
    return rng.normal(rng.choice([-1000, -830, 40], shape, p=[0.2, 0.3, 0.5]), 15).astype(np.int16)


def save(path: Path, array: np.ndarray, geometry: Geometry | None = None) -> Path:
    """Write an array (z, y, x) in the format of the suffix."""
    geometry = geometry or Geometry.from_parts(array.shape, SMALL[1])
    if path.name.lower().endswith((".nii", ".nii.gz")):
        nibabel_image(array, geometry).to_filename(path)
    else:
        sitk.WriteImage(sitk_image(array, geometry), str(path))
    return path


@dataclass(frozen=True)
class Run:
    """What one call of `pleura` gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON object and nothing else."""
        record = json.loads(self.out)
        assert isinstance(record, dict)
        return record

    def assert_one_sentence(self) -> None:
        """Standard error is one line, one sentence, no traceback."""
        assert self.err.count("\n") == 1 and self.err.endswith(".\n"), self.err
        assert self.err.startswith("Error: ") and len(self.err) > 20
        assert not re.search(r"[.!?]['\")]? +[A-Z]", self.err), f"two sentences: {self.err}"


def assert_refused(run: Run, exit_code: int, code: str, as_json: bool) -> None:
    """A failure as the design has it, in words and, when asked, as JSON."""
    assert run.code == exit_code, run.err
    run.assert_one_sentence()
    assert "Traceback" not in run.err + run.out
    if not as_json:
        assert run.out == ""
        return
    jsonschema.validate(run.json, schema("error"))
    error = run.json["error"]
    assert (error["exit"], error["code"]) == (exit_code, code), error
    assert run.err == f"Error: {error['message']}\n"


Pleura = Callable[..., Run]


def caller(capture: pytest.CaptureFixture[str]) -> Pleura:
    """`pleura(*arguments)` with what it printed; give `capfd` to see libraries' chatter too."""

    def pleura(*arguments: object) -> Run:
        capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capture.readouterr()
        return Run(code, out, err)

    return pleura


def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `Segmenter` use the stand-in engine, which takes no time."""
    monkeypatch.setattr("pleura.segmenter.load_engine", lambda folder, options: ThresholdEngine())


def names(folder: Path) -> list[str]:
    """All files and folders below, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
