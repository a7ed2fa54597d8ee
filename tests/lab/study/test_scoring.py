"""Scores are kept as long as method, scan and reference are the same, and name who is who anew."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab.store import Store
from pleura.lab.study.config import DataSet
from pleura.lab.study.data import options_of, prepared_store
from pleura.lab.study.scoring import Scores, cases, score_all
from pleura.volume import Mask
from tests.lab.luna16_tree import luna16_tree
from tests.lab.study.conftest import Silent


@dataclass
class Counting:
    """A method that calls everything denser than water lung, and counts its calls."""

    row: str = "Counting"
    seed: int | None = None
    key: str = "counting 1"
    calls: int = 0
    fails: bool = False

    def mask_of(self, volume):
        self.calls += 1
        if self.fails:
            raise RuntimeError("out of luck")
        return Mask((volume.array < -500).astype(np.uint8), volume.geometry)


@pytest.fixture
def small(done, here):
    """(config, store, cases) of three scans, in a folder of their own."""
    luna16_tree(here / "luna16", 3)
    config = replace(done.config, folder=here / "study")
    store = prepared_store(config, Silent())
    return config, store, cases(store, config.data)


def scored(method, small, path):
    return score_all([method], small[2], Scores(path))


def test_a_second_process_computes_nothing(small, tmp_path):
    first, second = Counting(), Counting()
    scores = scored(first, small, tmp_path / "scores.jsonl")
    assert (first.calls, len(scores)) == (3, 3)
    assert scored(second, small, tmp_path / "scores.jsonl") == scores
    assert second.calls == 0


def test_another_method_is_scored_anew(small, tmp_path):
    scored(Counting(), small, tmp_path / "scores.jsonl")
    other = Counting(key="counting 2")
    scored(other, small, tmp_path / "scores.jsonl")
    assert other.calls == 3


def test_a_changed_reference_is_scored_anew(small, tmp_path):
    scored(Counting(), small, tmp_path / "scores.jsonl")
    path = small[2][1].pair.labels.paths[0]
    os.utime(path, ns=(1, 1))
    again = Counting()
    changed = cases(small[1], small[0].data)
    score_all([again], changed, Scores(tmp_path / "scores.jsonl"))
    assert again.calls == 1


def test_row_seed_patient_and_role_are_todays(small, tmp_path):
    scored(Counting(), small, tmp_path / "scores.jsonl")
    moved = [replace(case, scan=replace(case.scan, role="test", patient="x")) for case in small[2]]
    renamed = Counting(row="New title", seed=7)
    scores = score_all([renamed], moved, Scores(tmp_path / "scores.jsonl"))
    assert renamed.calls == 0
    assert {(s.row, s.seed, s.patient, s.role) for s in scores} == {("New title", 7, "x", "test")}


def test_one_failure_stops_nothing_and_is_tried_again(small, tmp_path):
    scores = scored(Counting(fails=True), small, tmp_path / "scores.jsonl")
    assert all("out of luck" in score.error for score in scores)
    again = Counting()
    assert all(score.error is None for score in scored(again, small, tmp_path / "scores.jsonl"))
    assert again.calls == 3


def test_a_scan_that_cant_be_read_is_a_failed_score(small, tmp_path):
    case = small[2][0]
    case.pair.image.with_suffix(".raw").write_bytes(b"short")
    scores = scored(Counting(), small, tmp_path / "scores.jsonl")
    assert [score.error is None for score in scores] == [False, True, True]


def test_scans_that_are_gone_are_not_passed_over(small):
    config, store, found = small
    found[0].pair.image.unlink()
    with pytest.raises(UsageError, match=f"lacks 1 scan .* first '{found[0].scan.name}'"):
        cases(store, config.data)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"store_long_side": 32}, "grid or frame"),
        ({"store_frame": "body"}, "grid or frame"),
        ({"data": (DataSet("luna16", labels="luna16"),)}, "split"),
        (
            {"data": (DataSet("luna16", labels="pleura", patients="luna16/patients.csv"),)},
            "label scheme",
        ),
    ],
)
def test_a_store_prepared_otherwise_is_refused(small, change, what):
    with pytest.raises(UsageError, match=f"prepared with another {what} .* delete it"):
        prepared_store(replace(small[0], **change), Silent())


def test_a_store_with_further_data_is_refused(small, here):
    (here / "stores" / "luna16-whole" / "luna16").rename(here / "stores" / "luna16-whole" / "more")
    with pytest.raises(UsageError, match=r"also has 'more'.*a store of its own"):
        prepared_store(small[0], Silent())


def test_options_are_those_of_pleura_prepare(small):
    options = options_of(small[0], small[0].data[0])
    assert (options.grid.frame, options.grid.long_side) == ("whole", 64)
    assert options.labels == "luna16"
    assert Store(small[1].path).scans == small[1].scans
