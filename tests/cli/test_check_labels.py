"""`pleura check-labels`: what it prints, writes and refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pleura.lab import held_out
from pleura.lab.label_check import Disagreement
from tests.scans import Pleura, names

ROW = Disagreement("slices", "a", "p", 0.98, 0.5, 2.0, None, 0)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What it was called with; eight scans, of which one is far off."""
    called: list[Path] = []

    def disagreements(runs, store, progress, look):
        called.extend(runs)
        assert list(progress([])) == []
        rows = [replace(ROW, name=f"n{i}", dice=0.5 if i == 3 else 0.98) for i in range(8)]
        if look is not None:
            look.pngs = {(row.source, row.name): b"png" for row in rows}
        yield from rows

    monkeypatch.setattr(held_out, "disagreements", disagreements)
    return called


def test_the_suspicious_are_listed_and_the_files_written(
    pleura: Pleura, here: Path, runs: list[Path]
) -> None:
    run = pleura("check-labels", "cv1", "cv2", "-o", "x.csv", "--page", "x.html", "--most", 2)
    assert run.code == 0, run.err
    assert runs == [Path("cv1"), Path("cv2")]
    first, last = run.out.splitlines()
    assert first.startswith("slices n3: Dice 0.5000, ASSD 0.50 mm, ")
    assert last == "1 of 8 scans have labels to look at."
    assert names(here) == ["x.csv", "x.html"]
    assert (here / "x.html").read_text().count("<figure>") == 2
    assert len((here / "x.csv").read_text().splitlines()) == 9
    record = pleura("check-labels", "cv1", "--json", "--limit", "1000").json
    assert len(record["scans"]) == 8 and not any(row["suspicious"] for row in record["scans"])


def test_wrong_calls(pleura: Pleura, here: Path) -> None:
    for arguments, words in (
        (("cv", "-o", "x.txt"), "x.txt must end with .csv"),
        (("cv", "--page", "x.png"), "x.png must end with .html"),
        (("cv", "--most", "0"), "--most must be 1 or more"),
        (("cv", "--limit", "0"), "--limit must be more than 0"),
        (("cv", "--threads", "-1"), "--threads must be 0"),
        (("cv", "-o", "no/x.csv"), "does not exist"),
        (("cv",), "has no best checkpoint"),
    ):
        run = pleura("check-labels", *arguments)
        assert run.code == 2 and words in run.err, run.err
        run.assert_one_sentence()
    assert names(here) == []
