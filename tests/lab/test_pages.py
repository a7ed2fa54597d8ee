"""Tables between markers, and nothing else."""

from __future__ import annotations

from pathlib import Path

from pleura.lab.pages import set_page, set_tables

PAGE = "Before.\n<!-- word: a -->\nold\n<!-- /word: a -->\nAfter.\n"
SET = "Before.\n<!-- word: a -->\n\nnew\n\n<!-- /word: a -->\nAfter.\n"


def test_only_what_lies_between_markers_of_that_word_and_name_changes() -> None:
    assert set_tables(PAGE, "word", {"a": ["new"], "b": ["lost"]}) == SET
    assert set_tables(SET, "word", {"a": ["new"]}) == SET
    assert set_tables(PAGE, "other", {"a": ["new"]}) == PAGE


def test_a_page_without_end_marker_stays() -> None:
    text = "<!-- word: a -->\nwords"
    assert set_tables(text, "word", {"a": ["new"]}) == text


def test_a_page_is_set_where_there_is_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    set_page(page, "word", {"a": ["new"]})
    assert not page.exists()
    page.write_text(PAGE)
    set_page(page, "word", {"a": ["new"]})
    assert page.read_text() == SET
