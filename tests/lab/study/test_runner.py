"""The seed's study, tiny: four rows trained on a LUNA16-shaped tree, scored and not repeated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pleura.cli import main
from pleura.errors import UsageError
from pleura.infer.model_folder import open_model
from pleura.lab.store import Store
from pleura.lab.study import data, runner, scoring
from pleura.lab.study.runner import run_study
from pleura.segmenter import Segmenter, SegmentOptions
from tests.lab.luna16_tree import luna16_tree
from tests.lab.small_store import small_chest
from tests.lab.study.conftest import SCANS, Silent

TRAINED = ("Res34 BCE", "Res18 BCE", "Res18 Dice", "Res18 Focal")
_SPEC = open_model().spec
BUNDLED = f"{_SPEC.name} {_SPEC.version}"
ALL = (*TRAINED, "Threshold baseline", BUNDLED)


@pytest.fixture
def again(done, back_there):
    """Runs the study once more in its folder."""

    def run(config=done.config):
        progress = Silent()
        return run_study(config, progress, threads=1), progress

    return run


def test_every_row_has_a_score_of_every_scan(done):
    assert done.record.rows == ALL
    assert [row for row, _ in done.record.missing] == ["lungmask R231"]
    assert len(done.record.scores) == SCANS * len(ALL)
    assert all(score.error is None and score.dice is not None for score in done.record.scores)


def test_roles_are_the_stores_and_a_patient_has_one(done):
    store = Store(done.folder / "stores" / "luna16-whole")
    roles = {scan.name: (scan.patient, scan.role) for scan in store.scans}
    assert {score.name: (score.patient, score.role) for score in done.record.scores} == roles
    assert len({patient for patient, _ in roles.values()}) == SCANS - 1  # two scans are of one
    assert {role for _, role in roles.values()} == {"train", "validation", "test"}


def test_same_budget_and_split_for_every_row(done):
    records = [
        json.loads((done.folder / done.config.run_folder(row, 1) / "config.json").read_text())
        for row in done.config.rows
    ]
    differing = {
        key
        for record in records
        for key, value in record["config"].items()
        if value != records[1]["config"][key]
    }
    assert differing == {"name", "loss", "network"}
    assert len({curve.steps for curve in done.record.curves}) == 1


def test_the_seeds_rules_reach_the_exported_models(done):
    row = done.config.rows[2]
    spec = json.loads((done.folder / done.config.model_folder(row, 1) / "model.json").read_text())
    assert spec["preprocessing"]["scaling"] == "none"
    assert spec["preprocessing"]["crop"] == "none"
    assert spec["preprocessing"]["window_hu"] == [-1024, 600]
    assert spec["postprocessing"] == "none"
    assert spec["channels"] == ["lungs"]
    assert spec["training"]["loss"] == "seed_dice"


def test_an_exported_row_segments_at_once(done):
    phantom = small_chest(3)
    folder = done.folder / done.config.model_folder(done.config.rows[0], 1)
    options = SegmentOptions(spacing=phantom.geometry.spacing_zyx_mm)
    result = Segmenter(folder, threads=1).segment(phantom.hu, options)
    assert result.mask.array.shape == phantom.hu.shape


def test_the_bundled_model_and_the_baseline_find_the_phantoms_lungs(done):
    for row, least in ((BUNDLED, 0.9), ("Threshold baseline", 0.9)):
        dice = [score.dice for score in done.record.scores if score.row == row]
        assert min(dice) > least


def test_what_is_finished_is_not_repeated(done, again, monkeypatch):
    def fail(*_):
        raise AssertionError("repeated")

    monkeypatch.setattr(runner, "export_run", fail)
    monkeypatch.setattr(data, "prepare_source", fail)
    monkeypatch.setattr(scoring, "score_scan", fail)
    record, progress = again()
    assert progress.steps == 0
    assert record.scores == done.record.scores


def test_a_new_seed_trains_only_its_own_runs(done, again):
    config = replace(done.config, seeds=(1, 2), rows=done.config.rows[1:2])
    record, progress = again(config)
    assert progress.steps == done.progress.steps / len(TRAINED)
    seeds = {score.seed for score in record.scores if score.row == "Res18 BCE"}
    assert seeds == {1, 2}


def test_a_cut_off_line_of_scores_is_scored_again(done, again):
    path = done.folder / "studies" / "study-seed" / "scores.jsonl"
    first, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*others, first[:-20]]))
    record, _ = again()
    assert record.scores == done.record.scores
    assert path.read_text().splitlines(keepends=True) == [*others, first]


def test_worst_cases_are_pictures_of_the_lowest_dice(done):
    for picture in done.record.pictures:
        mine = [
            score.dice
            for score in done.record.scores
            if score.row == picture.row and score.role == picture.role
        ]
        assert picture.dice == min(mine)
        assert picture.png.startswith(b"\x89PNG")
    assert {(p.row, p.role) for p in done.record.pictures} == {
        (row, role) for row in ALL for role in ("validation", "test")
    }


def test_facts_name_data_budget_and_machine(done):
    facts = dict(done.record.facts)
    assert "train 4 scans of 4 patients (24 slices)" in facts["Data set luna16"]
    assert "test 3 scans of 2 patients" in facts["Data set luna16"]
    assert facts["Budget"] == "1 epochs over all slices, 14 a step (each run)"
    assert "scaling none" in facts["Shared by all rows"]
    assert str(Path.cwd()) not in str(done.record.facts)


def test_rows_of_two_stores_are_refused(done):
    rows = (*done.config.rows, replace(done.config.rows[0], title="x", changes={"store": "other"}))
    with pytest.raises(UsageError, match="one store"):
        data.store_path(replace(done.config, rows=rows))


def test_missing_encoder_weights_are_said_before_anything_is_prepared(done, here):
    rows = (replace(done.config.rows[1], changes={"network": {"encoder_weights": "no.pth"}}),)
    with pytest.raises(UsageError, match=r"no encoder weights at no\.pth.*Res18 BCE"):
        run_study(replace(done.config, rows=rows), Silent())
    assert not any(here.iterdir())


def test_a_cut_off_marker_of_an_export_is_no_obstacle(done, again):
    model = done.config.model_folder(done.config.rows[1], 1)
    (model / "exported.json").write_text("")
    record, _ = again()
    assert record.scores == done.record.scores


def test_changed_settings_of_a_trained_row_are_refused(done, again):
    row = replace(done.config.rows[1], changes={"loss": "bce+dice"})
    with pytest.raises(UsageError, match=r"'Res18 BCE' have changed since .*-seed1 was trained"):
        again(replace(done.config, rows=(row,)))


def test_two_rows_of_one_title_are_refused(done, again):
    others = replace(done.config.others, models=("lungs", "lungs"))
    with pytest.raises(UsageError, match=f"Two rows are called '{BUNDLED}'"):
        again(replace(done.config, others=others))


def test_torchrun_is_refused(done, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["study", str(done.folder / "study-seed.toml")]) == 2
    assert "one process" in capsys.readouterr().err


def test_missing_lungmask_weights_are_said_before_training(done, here):
    others = replace(done.config.others, lungmask_weights="none.pth")
    with pytest.raises(UsageError, match=r"no lungmask weights at none\.pth"):
        run_study(replace(done.config, others=others), Silent())
    assert not any(here.iterdir())


@pytest.mark.parametrize("key", ["source", "patients", "split"])
def test_missing_data_is_said_before_anything_is_prepared(done, here, key):
    luna16_tree(here / "luna16", 1)
    lost = replace(done.config.data[0], **{key: "nowhere"}, set="lost")
    config = replace(done.config, data=(*done.config.data, lost))
    with pytest.raises(UsageError, match=r"There is no \w+ nowhere.*'lost' names"):
        run_study(config, Silent())
    assert not (here / "stores").exists()
