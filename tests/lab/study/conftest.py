"""A tiny study that has run: the seed's config, made small, on a tree shaped like LUNA16."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pleura.lab.study.config import StudyConfig
from pleura.lab.study.runner import run_study
from pleura.lab.study.scores import StudyRecord
from tests.lab.luna16_tree import luna16_tree
from tests.lab.tiny import narrow

SCANS = 8
ROOT = Path(__file__).resolve().parents[3]


class Silent:
    """Progress for tests: remembers what was said, counts training steps."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps = 0

    def say(self, sentence):
        self.said.append(sentence)

    def training(self, _title):
        return self

    def update(self, _step, _steps, message):
        self.steps += message.startswith("loss")

    def track(self, items, _title):
        return items


def small_seed_config() -> str:
    """configs/study-seed.toml with 64x64 slices, one epoch, one seed and a random start."""
    text = (ROOT / "configs" / "study-seed.toml").read_text()
    text = text.replace("512", "64").replace("epochs = 20", "epochs = 1")
    text = text.replace("seeds = [1, 2, 3]", "seeds = [1]")
    return re.sub(r', encoder_weights = "[^"]+"', "", text)


@dataclass(frozen=True)
class Done:
    folder: Path
    config: StudyConfig
    record: StudyRecord
    progress: Silent


@pytest.fixture(scope="session")
def done(tmp_path_factory) -> Done:
    """Four rows trained (as narrow networks), exported and scored, once for all tests."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch, narrow():
        patch.chdir(folder)
        luna16_tree(folder / "luna16", SCANS)
        (folder / "study-seed.toml").write_text(small_seed_config())
        config = StudyConfig.from_toml(Path("study-seed.toml"))
        progress = Silent()
        record = run_study(config, progress, threads=1)
    return Done(folder, config, record, progress)


@pytest.fixture
def back_there(done: Done, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The study's working folder, with its narrow networks."""
    monkeypatch.chdir(done.folder)
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)  # see `one_thread`
    with narrow():
        yield done.folder
