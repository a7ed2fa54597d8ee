"""`pleura pack`: what it prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

from pleura.lab.store import Store
from tests.lab.small_store import training_store
from tests.scans import Pleura


def test_summary_and_roles(pleura: Pleura, tmp_path: Path) -> None:
    training_store(tmp_path / "store")
    run = pleura("pack", tmp_path / "store", tmp_path / "file", "--roles", "train", "validation")
    assert run.code == 0 and run.err == ""
    assert "at most 288 pixels" in run.out and "| volumes | 3 | 0 | 18 | 18 |" in run.out
    run = pleura("pack", tmp_path / "store", tmp_path / "file", "--roles", "train", "--json")
    record = json.loads(run.out)
    assert next(iter(record)) == "schema_version"
    assert [source["scans_left_out"] for source in record["sources"]] == [0, 1]
    assert {scan.role for scan in Store(tmp_path / "file").scans} == {"train"}


def test_too_small_a_limit(pleura: Pleura, tmp_path: Path) -> None:
    training_store(tmp_path / "store")
    run = pleura("pack", tmp_path / "store", tmp_path / "file", "--max-mib", "0.0001")
    assert run.code == 2 and "more than --max-mib (0.0001)" in run.err
    assert not (tmp_path / "file").exists()
    run = pleura("pack", tmp_path / "nowhere", tmp_path / "file")
    assert run.code == 2 and "is no training store" in run.err


def test_a_store_is_never_overwritten(pleura: Pleura, tmp_path: Path) -> None:
    training_store(tmp_path / "store")
    assert pleura("pack", tmp_path / "store", tmp_path / "file").code == 0
    before = (tmp_path / "file").read_bytes()
    run = pleura("pack", tmp_path / "file", tmp_path / "file", "--roles", "train")
    assert run.code == 2 and "is the input" in run.err
    assert (tmp_path / "file").read_bytes() == before
    run = pleura("pack", tmp_path / "store", tmp_path / "store" / "volumes" / "index.json")
    assert run.code == 2 and "lies in the input's folder" in run.err
