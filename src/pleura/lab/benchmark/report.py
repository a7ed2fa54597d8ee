"""A benchmark's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pleura.errors import UsageError
from pleura.lab.benchmark.table import to_markdown
from pleura.write import check_place
from pleura.write.atomic import make_folder, staging

_JSON, _MARKDOWN = "benchmark.json", "benchmark.md"


def check_folder(folder: Path) -> None:
    """Make the folder, before minutes of work.

    Raises:
        UsageError: it is a file.
        OutputError: it can't be made or written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder.")
    make_folder(folder)
    check_place(folder / _JSON, None)


def write_report(record: Mapping[str, Any], folder: Path) -> None:
    """Write benchmark.json and benchmark.md, both or none; raises OutputError."""
    with staging(folder / _JSON) as staged:
        text = json.dumps(record, indent=2, allow_nan=False)
        (staged / _JSON).write_text(text + "\n", encoding="utf-8")
        (staged / _MARKDOWN).write_text(to_markdown(record), encoding="utf-8")
