"""Whatever is given: one sentence, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pleura.infer.model_folder import BUNDLED
from tests.bad_scans import BAD, HU, HUGE, PHANTOM
from tests.dicom_phantom import write_series
from tests.scans import Pleura, assert_refused, caller, names, save, without_network


@pytest.fixture
def pleura(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pleura:
    """The command line without the network; libraries' chatter counts as output too."""
    without_network(monkeypatch)
    return caller(capfd)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return save(tmp_path / "good.nii.gz", HU, PHANTOM.geometry)


both = pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])


@both
@pytest.mark.parametrize("case", BAD)
def test_unusable_scans(
    pleura: Pleura, here: Path, tmp_path: Path, case: str, as_json: bool
) -> None:
    code, make = BAD[case]
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in")
    before = names(tmp_path)
    flags = ["--json"] * as_json
    assert_refused(pleura("segment", path, *flags), 2, code, as_json)
    assert_refused(pleura("info", path, *flags), 2, code, as_json)
    assert names(tmp_path) == before


@pytest.mark.parametrize("case", HUGE)
def test_huge_headers_are_refused_without_allocation(
    pleura: Pleura, here: Path, tmp_path: Path, case: str
) -> None:
    code, make = HUGE[case]
    path = make(tmp_path)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        run = pleura("info", path, "--json")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert_refused(run, 2, code, True)
    assert peak < 50e6 and time.perf_counter() - began < 5
    assert names(here) == []


def test_nan_outside_the_body_is_a_finding(pleura: Pleura, here: Path, tmp_path: Path) -> None:
    hu = HU.astype(np.float32)
    hu[:, :4, :4] = np.nan
    hu[:, -2:, -2:] = np.inf
    run = pleura("segment", save(tmp_path / "padded.nii", hu), "--json")
    assert run.code == 0 and run.err == ""
    codes = [finding["code"] for finding in run.json["quality"]["findings"]]
    assert "non_finite_outside_body" in codes
    assert names(here) == ["padded_lungs.nii.gz"]


def series_folder(folder: Path) -> Path:
    write_series(folder / "ct", HU, names="numbered")
    return folder / "ct"


Arguments = list[object]
CALLS: dict[str, tuple[str, Callable[[Path, Path], Arguments]]] = {
    "output is the input": ("usage", lambda scan, tmp: [scan, "-o", scan]),
    "the same by a relative path": ("usage", lambda scan, tmp: [scan, "-o", "../good.nii.gz"]),
    "input by a relative path": ("usage", lambda scan, tmp: ["../good.nii.gz", "-o", scan]),
    "input by a link": ("usage", lambda scan, tmp: [link(tmp, scan), "-o", scan]),
    "output by a link": ("usage", lambda scan, tmp: [scan, "-o", link(tmp, scan)]),
    "output by a hard link": ("usage", lambda scan, tmp: [scan, "-o", hard_link(tmp, scan)]),
    "output in the series' folder": (
        "usage", lambda scan, tmp: [series_folder(tmp), "-o", tmp / "ct" / "mask.nii.gz"],
    ),
    "picture in the series' folder": (
        "usage", lambda scan, tmp: [series_folder(tmp), "--picture", tmp / "ct" / "p.png"],
    ),
    "unknown output suffix": ("usage", lambda scan, tmp: [scan, "-o", "mask.xyz"]),
    "no output suffix": ("usage", lambda scan, tmp: [scan, "-o", "mask"]),
    "missing output folder": ("usage", lambda scan, tmp: [scan, "-o", "none/mask.nii"]),
    "output is a folder": ("usage", lambda scan, tmp: [scan, "-o", made(tmp / "m.nii.gz")]),
    "output is a pipe": ("usage", lambda scan, tmp: [scan, "-o", pipe(tmp / "m.nii.gz")]),
    "picture is a pipe": ("usage", lambda scan, tmp: [scan, "--picture", pipe(tmp / "p.png")]),
    "output's name is too long": ("usage", lambda scan, tmp: [scan, "-o", f"{'x' * 300}.nii.gz"]),
    "output's folder is too long": ("usage", lambda scan, tmp: [scan, "-o", f"{'x' * 300}/m.nii"]),
    "picture is no PNG": ("usage", lambda scan, tmp: [scan, "--picture", "p.jpg"]),
    "missing picture folder": ("usage", lambda scan, tmp: [scan, "--picture", "none/p.png"]),
    "unknown series": ("usage", lambda scan, tmp: [series_folder(tmp), "--series", "9"]),
    "series of a NIfTI": ("usage", lambda scan, tmp: [scan, "--series", "1"]),
    "negative threads": ("usage", lambda scan, tmp: [scan, "--threads", "-2"]),
    "unknown engine": ("usage", lambda scan, tmp: [scan, "--engine", "gpu"]),
    "unknown precision": ("usage", lambda scan, tmp: [scan, "--precision", "fp8"]),
    "unknown option": ("usage", lambda scan, tmp: [scan, "--fast"]),
}  # fmt: skip


def link(folder: Path, to: Path) -> Path:
    (folder / "link.nii.gz").symlink_to(to)
    return folder / "link.nii.gz"


def hard_link(folder: Path, to: Path) -> Path:
    (folder / "hard.nii.gz").hardlink_to(to)
    return folder / "hard.nii.gz"


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@both
@pytest.mark.parametrize("case", CALLS)
def test_calls_that_make_no_sense(
    pleura: Pleura, here: Path, tmp_path: Path, scan: Path, case: str, as_json: bool
) -> None:
    code, arguments = CALLS[case]
    before = scan.read_bytes()
    command = arguments(scan, tmp_path)
    there = names(tmp_path)
    run = pleura("segment", *command, *["--json"] * as_json)
    assert_refused(run, 2, code, as_json)
    assert names(tmp_path) == there and scan.read_bytes() == before


def model_copy(folder: Path) -> Path:
    """The bundled model's description with four bytes as its network."""
    (folder / "model").mkdir()
    shutil.copy(BUNDLED / "lungs" / "model.json", folder / "model")
    (folder / "model" / "model.onnx").write_bytes(b"onnx")
    return folder / "model"


def damage(folder: Path, what: str) -> Path:
    model = model_copy(folder)
    description = model / "model.json"
    match what:
        case "network missing":
            (model / "model.onnx").unlink()
        case "description is no JSON":
            description.write_text("{")
        case "description lacks a field":
            data = json.loads(description.read_text())
            del data["channels"]
            description.write_text(json.dumps(data))
        case "description missing":
            description.unlink()
    return model


@both
@pytest.mark.parametrize(
    "what",
    ["unknown name", "checksum differs", "network missing", "description is no JSON",
     "description lacks a field", "description missing"],
)  # fmt: skip
def test_unusable_models(
    capfd: pytest.CaptureFixture[str], here: Path, tmp_path: Path, scan: Path, what: str,
    as_json: bool,
) -> None:  # fmt: skip
    model = "lungz" if what == "unknown name" else damage(tmp_path, what)
    run = caller(capfd)("segment", scan, "--model", model, *["--json"] * as_json)
    assert_refused(run, 1, "model", as_json)
    assert names(here) == []
