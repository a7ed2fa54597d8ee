"""`pleura train` and `pleura export`: what they say, and where they write."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pleura.cli.train import StepProgress
from pleura.lab import cross_validation
from pleura.lab import export as export_module
from pleura.lab import train as train_module
from tests.scans import Pleura

STATE = {
    "step": 7, "steps": 9, "seconds": 130.0, "best_dice": 0.91234, "best_loss": 0.25, "best_step": 6
}  # fmt: skip
FOLDS = {"folds": [{}, {}], "unfinished": [], "mean_dice": 0.8, "worst_dice": 0.7}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Training that ends at once; remembers what it was asked for."""
    seen: list[tuple[object, ...]] = []

    def fake(config, run, progress):
        seen.append((config, run))
        progress.update(3, 9, "loss 0.5")
        progress.update(7, 9, "validation Dice 0.9123")
        return STATE

    def fake_folds(config, run, progress, fold):
        seen.append((config, run, fold))
        for number in range(2):
            bar = progress(f"Fold {number + 1} of 2")
            bar.update(9, 9, "validation Dice 0.8")
        return FOLDS

    monkeypatch.setattr(train_module, "train", fake)
    monkeypatch.setattr(cross_validation, "train_folds", fake_folds)
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    monkeypatch.delenv("RANK", raising=False)
    return seen


@pytest.fixture
def toml(here: Path) -> Path:
    path = here / "mine.toml"
    path.write_text('name = "x"\nsteps = 9\n')
    return path


def test_a_run_is_reported_in_one_line(pleura: Pleura, calls, toml: Path) -> None:
    result = pleura("train", str(toml), "--store", "elsewhere")
    assert result.code == 0
    assert result.out == ("7 steps in 2 min; best validation Dice 0.9123 at step 6; runs/mine\n")
    assert result.err == "Training, step 7 of 9: validation Dice 0.9123\n"
    ((config, run),) = calls
    assert (config.store, config.steps, run) == ("elsewhere", 9, Path("runs/mine"))


def test_a_run_without_validation_scans_says_so(
    pleura: Pleura, calls, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("best_dice", "best_loss"):
        monkeypatch.setitem(STATE, key, None)
    expected = f"7 steps in 2 min; {train_module.NO_VALIDATION}; runs/mine\n"
    assert pleura("train", str(toml)).out == expected
    record = pleura("train", str(toml), "--json").json
    assert record["best_dice"] is None and record["best_loss"] is None


def test_a_line_an_epoch_without_validation_scans_too(capsys: pytest.CaptureFixture[str]) -> None:
    with StepProgress() as progress:
        progress.update(2, 9, "loss 0.5")
        progress.update(3, 9, train_module.NO_VALIDATION)
    assert capsys.readouterr().err == f"Training, step 3 of 9: {train_module.NO_VALIDATION}\n"


def test_fewer_than_no_threads_are_refused(pleura: Pleura, calls, toml: Path) -> None:
    result = pleura("train", str(toml), "--threads=-1")
    assert result.code == 2
    result.assert_one_sentence()
    assert "--threads must be 0 (all cores) or more, not -1" in result.err and not calls


def test_folds_are_reported_together(pleura: Pleura, calls, toml: Path) -> None:
    toml.write_text("folds = 2\n")
    result = pleura("train", str(toml), "--run", "there", "--fold", "1")
    assert result.out == "2 folds, mean of their best validation Dice 0.8000, worst 0.7000; there\n"
    assert "Fold 2 of 2, step 9 of 9: validation Dice 0.8" in result.err
    assert calls[0][1:] == (Path("there"), 1)
    pleura("train", str(toml))
    assert calls[1][1:] == (Path("runs/mine"), None)


def test_a_run_and_folds_by_loss_are_reported_as_such(
    pleura: Pleura, calls, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("best_by = 'loss'\n")
    best = "best validation loss 0.2500 (Dice 0.9123) at step 6; runs/mine\n"
    assert pleura("train", str(toml)).out == f"7 steps in 2 min; {best}"
    toml.write_text("best_by = 'loss'\nfolds = 3\n")
    monkeypatch.setitem(FOLDS, "unfinished", ["fold2"])
    assert pleura("train", str(toml)).out == (
        "2 folds (fold2 unfinished), mean of the validation Dice at their lowest loss 0.8000, "
        "worst 0.7000; runs/mine\n"
    )


def test_no_finished_fold_is_no_error(
    pleura: Pleura, calls, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("folds = 2\n")
    nothing = {"folds": [], "unfinished": ["fold0", "fold1"], "mean_dice": None, "worst_dice": None}
    monkeypatch.setattr(cross_validation, "train_folds", lambda *_: nothing)
    assert pleura("train", str(toml)).out == "No fold is finished yet; runs/mine\n"
    record = pleura("train", str(toml), "--json").json
    assert record == {"schema_version": 1, "run": "runs/mine", **nothing}


@pytest.mark.parametrize("loss", [0.25, float("nan"), None])
def test_a_run_as_json(
    pleura: Pleura, calls, toml: Path, monkeypatch: pytest.MonkeyPatch, loss: float | None
) -> None:
    monkeypatch.setitem(STATE, "best_loss", loss)
    record = pleura("train", str(toml), "--json").json
    assert record == {
        "schema_version": 1, "run": "runs/mine", **STATE,
        "best_loss": 0.25 if loss == 0.25 else None,
    }  # fmt: skip
    assert next(iter(record)) == "schema_version"


def test_folds_as_json(pleura: Pleura, calls, toml: Path) -> None:
    toml.write_text("folds = 2\n")
    record = pleura("train", str(toml), "--json").json
    assert record == {"schema_version": 1, "run": "runs/mine", **FOLDS}


@pytest.mark.parametrize(
    ("arguments", "processes", "threads"),
    [
        ([], "1", 8),
        ([], "3", 2),
        (["--threads", "5"], "3", 5),
        (["--threads", "99"], "1", 8),
    ],
)
def test_the_processes_of_a_torchrun_share_the_cores(
    pleura: Pleura, calls, toml: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str],
    processes: str, threads: int,
) -> None:  # fmt: skip
    seen: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", seen.append)
    monkeypatch.setattr("pleura.infer.cpu.available_cores", lambda: 8)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert pleura("train", str(toml), *arguments).code == 0
    assert seen == [threads]


@pytest.mark.parametrize("rank", ["0", "1"])
def test_one_process_of_a_torchrun_says_what_is_wrong_in_the_call(
    pleura: Pleura, toml: Path, monkeypatch: pytest.MonkeyPatch, rank: str
) -> None:
    monkeypatch.setenv("RANK", rank)
    toml.write_text("steps = 0\n")
    result = pleura("train", str(toml))
    assert result.code == 2 and bool(result.err) == (rank == "0")


@pytest.mark.parametrize("text", ["steps = 9\n", "folds = 2\n"])
def test_one_process_of_a_torchrun_speaks_for_all(
    pleura: Pleura, calls, toml: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("RANK", "1")
    toml.write_text(text)
    result = pleura("train", str(toml))
    assert (result.code, result.out) == (0, "")


def test_a_fold_of_no_folds_is_refused(pleura: Pleura, calls, toml: Path) -> None:
    result = pleura("train", str(toml), "--fold", "0")
    assert result.code == 2
    result.assert_one_sentence()
    assert "has no folds; leave out --fold" in result.err and not calls


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", "unknown stepz"),
        ("steps = 0", "steps must be at least 1"),
        (
            "[preprocessing]\nwindow_hu = [5, 5]",
            "window_hu must be two numbers, the lower first, not [5, 5]",
        ),
        ("seed = -1", "seed can't be negative"),
        ("[preprocessing]\nwindow_hu = [0]", "window_hu must be two numbers"),
        ("store = 'nowhere'", "nowhere is no training store"),
    ],
)
def test_bad_configs_are_one_sentence(pleura: Pleura, toml: Path, text: str, message: str) -> None:
    toml.write_text(text)
    result = pleura("train", str(toml), "--threads", "1")
    assert (result.code, result.out) == (2, "")
    result.assert_one_sentence()
    assert message in result.err and not (toml.parent / "runs").exists()


def test_micro_batches_for_uneven_processes_are_one_sentence(
    pleura: Pleura, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    toml.write_text("accumulate = 3\n")
    result = pleura("train", str(toml), "--threads", "1")
    assert result.code == 2
    result.assert_one_sentence()
    assert "make it a multiple of 2" in result.err


def test_an_export_is_reported_in_one_line_or_as_json(
    pleura: Pleura, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def fake(run, folder, options):
        seen.append((run, folder, options))
        folder.mkdir()
        (folder / "model.onnx").write_bytes(bytes(2_500_000))
        return SimpleNamespace(
            name=options.name or "lungs", version=options.version,
            files={"main": "model.onnx"}, sha256={"main": "0123"},
        )  # fmt: skip

    monkeypatch.setattr(export_module, "export_run", fake)
    result = pleura("export", "run", "model", "--version", "2.0.0", "--name", "mine",
                    "--checkpoint", "last")  # fmt: skip
    assert (result.code, result.out) == (0, "mine 2.0.0 in model, 2.5 MB\n")
    assert pleura("export", "run", "other", "--json").json == {
        "schema_version": 1, "model": "other", "name": "lungs", "version": "0.1.0",
        "sha256": "0123", "bytes": 2_500_000, "path": "other/model.onnx",
    }  # fmt: skip
    (run, folder, options), _ = seen
    assert (run, folder) == (Path("run"), Path("model"))
    assert (options.version, options.name, options.checkpoint) == ("2.0.0", "mine", "last")


def test_a_version_that_is_none_is_one_sentence(pleura: Pleura, here: Path) -> None:
    result = pleura("export", "run", "model", "--version", "new")
    assert result.code == 2
    result.assert_one_sentence()
    assert "must be like 1.2.3, not 'new'" in result.err


@pytest.mark.parametrize("record", [None, "{}"])
def test_a_run_that_can_not_be_exported_is_one_sentence(
    pleura: Pleura, here: Path, record: str | None
) -> None:
    (here / "run").mkdir()
    if record is not None:
        (here / "run" / "best.safetensors").write_bytes(b"x")
        (here / "run" / "config.json").write_text(json.dumps(record))
    result = pleura("export", "run", "model")
    assert (result.code, result.out) == (2, "")
    result.assert_one_sentence()
    assert not (here / "model").exists()
