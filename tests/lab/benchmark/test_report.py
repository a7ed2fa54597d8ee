"""The files of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pleura.errors import OutputError, UsageError
from pleura.lab.benchmark.record import benchmark_record
from pleura.lab.benchmark.report import check_folder, write_report
from pleura.lab.benchmark.table import to_markdown
from tests.lab.benchmark.fake_results import results, setting
from tests.scans import names


def test_both_files(tmp_path: Path) -> None:
    record = benchmark_record(setting(None), results())
    write_report(record, tmp_path)
    assert names(tmp_path) == ["benchmark.json", "benchmark.md"]
    assert json.loads((tmp_path / "benchmark.json").read_text()) == record
    assert (tmp_path / "benchmark.md").read_text() == to_markdown(record)


def test_after_an_error_the_old_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmark.md").write_text("old")
    monkeypatch.setattr("pleura.write.atomic._flush", lambda path: (_ for _ in ()).throw(
        OSError(28, "No space left on device")
    ))  # fmt: skip
    with pytest.raises(OutputError, match="No space left"):
        write_report(benchmark_record(setting(None), results()), tmp_path)
    assert names(tmp_path) == ["benchmark.md"]
    assert (tmp_path / "benchmark.md").read_text() == "old"


def test_the_folder_is_checked_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="can't be made"):
        check_folder(tmp_path / "file" / "folder")
    monkeypatch.setattr("pleura.write.os.access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission"):
        check_folder(tmp_path)
