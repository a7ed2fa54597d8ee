"""A study's report on disk."""

from __future__ import annotations

from pathlib import Path

from pleura.errors import OutputError
from pleura.lab.study.aggregate import aggregate
from pleura.lab.study.page import to_html
from pleura.lab.study.plots import FIGURES, figures
from pleura.lab.study.scores import StudyRecord
from pleura.lab.study.table import to_markdown, write_csv, write_scans_csv
from pleura.write.atomic import make_folder, staging

PAGE = "study.html"


def write_report(record: StudyRecord, folder: Path) -> Path:
    """Write study.html, table.md, table.csv, scans.csv, curves.svg and strips.svg, all or none.

    A figure without content isn't written, and one of an earlier report is removed. The same
    record gives the same bytes.

    Returns:
        The page's path.

    Raises:
        OutputError: the folder can't be made or written.
        UsageError: matplotlib or jinja2 isn't installed.
        ValueError: see `aggregate`.
    """
    numbers = aggregate(record)
    drawn = figures(record, numbers)
    texts = {f"{name}.svg": svg for name, svg in drawn.items()}
    texts["table.md"] = to_markdown(record, numbers)
    texts[PAGE] = to_html(record, numbers, drawn)
    make_folder(folder)
    page = folder / PAGE
    with staging(page) as staged:
        for name, text in texts.items():
            (staged / name).write_text(text, encoding="utf-8")
        write_csv(record, staged / "table.csv", numbers)
        write_scans_csv(record, staged / "scans.csv")
    for name in FIGURES:
        if name not in drawn:
            _remove(folder / f"{name}.svg")
    return page


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} is of an earlier report and can't be removed ({error.strerror}); remove it."
        ) from error
