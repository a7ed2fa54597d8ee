"""Pages whose tables a program sets, between markers; the words around them are people's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pleura.write.atomic import write_bytes

Blocks = Mapping[str, Sequence[str]]  # marker's name -> lines of Markdown


def set_tables(text: str, word: str, blocks: Blocks) -> str:
    """The page with new lines between the markers that it has; the rest stays.

    Markers are `<!-- WORD: NAME -->` and `<!-- /WORD: NAME -->`.
    """
    for name, lines in blocks.items():
        start, end = f"<!-- {word}: {name} -->", f"<!-- /{word}: {name} -->"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if found and closed:
            text = "\n".join([f"{before}{start}", "", *lines, "", f"{end}{after}"])
    return text


def set_page(page: Path, word: str, blocks: Blocks) -> None:
    """Set the tables of a page, where there is one; raises OutputError."""
    if page.is_file():
        text = set_tables(page.read_text(encoding="utf-8"), word, blocks)
        write_bytes(page, text.encode())
