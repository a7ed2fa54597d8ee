"""The end of every benchmark that keeps a page: its tables set, printed, and errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from pleura import PleuraError
from pleura.lab.pages import Blocks, set_page


def set_and_print(page: Path, word: str, made: Callable[[], Blocks]) -> int:
    """Set the page's tables between its markers `word` and print them.

    Args:
        page: Markdown; where there is none, tables are only printed.
        made: computes or reads the results; marker's name -> lines. May raise PleuraError, which is
            printed.

    Returns:
        The exit code.
    """
    try:
        blocks = made()
        set_page(page, word, blocks)
    except PleuraError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit
    for name, lines in blocks.items():
        print(f"\n## {name}\n", *lines, sep="\n")
    return 0
