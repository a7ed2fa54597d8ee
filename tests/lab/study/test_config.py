"""A study's TOML: shared settings, what rows change, and sentences about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.errors import UsageError
from pleura.lab.study.config import StudyConfig, merged

ROOT = Path(__file__).resolve().parents[3]
SMALLEST = """
[[data]]
source = "data/volumes"
[[row]]
title = "A row"
"""


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return StudyConfig.from_toml(path)


def test_defaults(tmp_path):
    study = read(tmp_path, SMALLEST)
    assert study.folder == Path("studies/mine")
    assert study.reference_row == "A row"
    assert study.seeds == (1,)
    assert study.data[0].name == "volumes"
    assert study.run_folder(study.rows[0], 1) == Path("studies/mine/runs/a-row-seed1")


def test_rows_change_single_settings_of_a_table(tmp_path):
    text = """
seeds = [4, 5]
[train]
steps = 7
network = { encoder = "resnet18", channels = ["lungs"] }
[[data]]
source = "x"
[[row]]
title = "Deep"
loss = "seed_dice"
network = { encoder = "resnet34" }
"""
    study = read(tmp_path, text)
    config = study.config_of(study.rows[0], 5)
    assert (config.steps, config.seed, config.name, config.loss) == (7, 5, "deep", "seed_dice")
    assert (config.network.encoder, config.network.channels) == ("resnet34", ("lungs",))


def test_merged_leaves_its_arguments_alone():
    shared = {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    assert merged(shared, {"a": {"b": 3}, "d": [9]}) == {"a": {"b": 3, "c": 2}, "d": [9]}
    assert shared == {"a": {"b": 1, "c": 2}, "d": [1, 2]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[data]]\nsource = 'x'", "at least one .*row"),
        ("[[row]]\ntitle = 'a'", "at least one .*data"),
        ("[[row]]\nloss = 'bce'\n[[data]]\nsource = 'x'", "needs a title"),
        (SMALLEST + "[[row]]\ntitle = 'a ROW'", "title of its own"),
        (SMALLEST + "[[data]]\nsource = 'other/volumes'", "two .*data.* sets have one name"),
        (SMALLEST + "[[data]]\nlabels = 'luna16'", "needs a source"),
        ("seeds = []" + SMALLEST, "at least one number"),
        ("seeds = [1, 1]" + SMALLEST, "a number twice"),
        ("reference_row = 'b'" + SMALLEST, "reference_row must be one of A row"),
        ("colour = 'red'" + SMALLEST, "unknown colour"),
        ("seeds = 3" + SMALLEST, "seeds can't be 3"),
        ("[train]\nlos = 'bce'" + SMALLEST, "unknown los"),
        ("[train]\nloss = 'l2'" + SMALLEST, "Unknown loss 'l2'"),
        ("[train]\npreprocessing = { scaling = 'x' }" + SMALLEST, "must be unit or none, not 'x'"),
        (SMALLEST + "[others]\nlungmask_weights = 3", "lungmask_weights can't be 3"),
        ("title =", "no readable TOML"),
    ],
)
def test_what_is_wrong_is_said_with_the_files_name(tmp_path, text, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        read(tmp_path, text)
    assert "mine.toml" in str(caught.value)


def test_the_seeds_config_follows_the_seed_to_the_letter():
    study = StudyConfig.from_toml(ROOT / "configs" / "study-seed.toml")
    assert [row.title for row in study.rows] == [
        "Res34 BCE", "Res18 BCE", "Res18 Dice", "Res18 Focal",
    ]  # fmt: skip
    losses = []
    for row in study.rows:
        config = study.config_of(row, 1)
        losses.append((config.network.encoder, config.loss))
        assert config.epochs == 20
        assert config.sampling.batch_size == 14
        assert config.sampling.canvas == (512, 512)
        assert (config.optimizer.kind, config.optimizer.learning_rate) == ("adam", 1e-4)
        assert (config.optimizer.schedule, config.optimizer.warmup_steps) == ("constant", 0)
        assert config.optimizer.weight_decay == 0
        assert not config.augment.enabled
        assert config.preprocessing.window_hu == (-1024, 600)
        assert config.preprocessing.scaling == "none"
        assert config.preprocessing.stretch_hu is None
        assert (config.preprocessing.long_side, config.preprocessing.crop) == (512, "none")
        assert config.network.channels == ("lungs",)
        assert config.network.encoder_weights is not None
        assert (config.best_by, config.postprocessing) == ("loss", "none")
    assert losses == [
        ("resnet34", "bce"), ("resnet18", "bce"), ("resnet18", "seed_dice"),
        ("resnet18", "seed_focal"),
    ]  # fmt: skip


def test_the_laptops_config_differs_in_rows_by_encoder_and_loss_alone():
    study = StudyConfig.from_toml(ROOT / "configs" / "study-laptop.toml")
    assert len(study.seeds) >= 2
    for row in study.rows:
        assert set(row.changes) <= {"loss", "network"}
    budgets = {
        (c.steps * c.sampling.batch_size, c.epochs)
        for c in (study.config_of(row, 1) for row in study.rows)
    }
    assert budgets == {(6020, 0)}
