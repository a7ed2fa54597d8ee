"""The page is one well-formed file without links to the outside; reports are repeatable."""

from __future__ import annotations

import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pleura.errors import OutputError, UsageError
from pleura.lab.study.page import to_html
from pleura.lab.study.report import write_report
from pleura.lab.study.scores import StudyRecord
from tests.lab.study.fake_record import (
    HOSTILE,
    ROWS,
    TRAINED,
    hostile_study,
    realistic_study,
    tiny_study,
)

_VOID = {"meta", "img", "br", "link", "hr", "input", "wbr"}
_FILES = ["curves.svg", "scans.csv", "strips.svg", "study.html", "table.csv", "table.md"]


class _Page(HTMLParser):
    """Checks that tags nest, and gathers ids, addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.best: list[str] = []
        self._in_best = False
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))

    def _note(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tags.append(tag)
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.addresses += [
            attributes[k] or "" for k in ("href", "src", "action") if k in attributes
        ]
        assert not [name for name in attributes if name.startswith("on")]
        self._in_best = attributes.get("class") == "best"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._in_best = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._in_best:
            self.best.append(data)


@pytest.fixture(scope="module")
def page() -> _Page:
    return _Page(to_html(realistic_study()))


def test_the_page_is_well_formed_and_every_id_is_there_once(page: _Page) -> None:
    assert page.tags[0] == "html" and page.tags.count("svg") == 2
    assert len(page.ids) == len(set(page.ids))
    inner = [address[1:] for address in page.addresses if address.startswith("#")]
    assert inner and set(inner) <= set(page.ids)


def test_the_page_needs_nothing_from_outside(page: _Page) -> None:
    text = page.source

    assert "http:" not in text and "https:" not in text and "@import" not in text
    outside = [a for a in page.addresses if not a.startswith(("#", "data:image/png;base64,"))]
    assert outside == []
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in text.replace("url(#", "")


def test_the_page_holds_every_part(page: _Page) -> None:
    text = " ".join(" ".join(page.text).split())

    for row in ROWS:
        assert row in text
    for part in (
        "For research, not a medical device.", "6,000 training slices a run", "Paired tests",
        "Its weights aren't here", "Learning curves", "Every scan", "Definitions", "† 0.9777",
        "The row's contour is orange", "The scan holds no body.",
    ):  # fmt: skip
        assert part in text, part
    assert page.tags.count("img") == len(TRAINED)
    assert page.best and all(0.9 < float(value) < 1 for value in page.best)


def test_names_stay_text() -> None:
    html = to_html(hostile_study())
    page = _Page(html)

    assert "<script" not in html and "script" not in page.tags
    assert HOSTILE in page.text


def test_a_study_without_scores_or_pictures_is_a_page_too() -> None:
    record = StudyRecord("Nothing yet", ("Net",), "Net", (), missing=(("Net", "It was stopped."),))
    page = _Page(to_html(record))

    assert "It was stopped." in page.text
    assert not {"svg", "img", "table"} & set(page.tags)
    assert "img" not in _Page(to_html(tiny_study())).tags


def test_a_report_is_all_files_and_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "deep", tmp_path / "b"
    record = replace(tiny_study(), curves=realistic_study().curves)
    write_report(realistic_study(seeds=(0,)), second)  # an earlier one is replaced
    assert write_report(record, first) == first / "study.html"
    write_report(record, second)

    assert sorted(path.name for path in first.iterdir()) == _FILES
    assert sorted(path.name for path in second.iterdir()) == _FILES
    for name in _FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_a_figure_of_an_earlier_report_goes(tmp_path: Path) -> None:
    (tmp_path / "notes.svg").write_text("mine")
    write_report(realistic_study(seeds=(0,)), tmp_path)
    assert (tmp_path / "curves.svg").exists()
    write_report(tiny_study(), tmp_path)  # without curves
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted({*_FILES, "notes.svg"} - {"curves.svg"})


def test_a_failure_leaves_the_earlier_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(tiny_study(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pleura.lab.study.report.write_scans_csv", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(replace(tiny_study(), title="Other"), tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_in_the_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("")
    with pytest.raises(OutputError, match="can't be made"):
        write_report(tiny_study(), tmp_path / "report")


def test_without_jinja2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"pleura\[lab\]"):
        to_html(tiny_study())
