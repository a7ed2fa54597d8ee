"""A study as Markdown and as two CSV files: its summary, and every scan's scores."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pleura.lab.study.aggregate import Aggregate, Cell, aggregate
from pleura.lab.study.contents import Entry, Section, Table, sections
from pleura.lab.study.scores import ScanScore, StudyRecord
from pleura.write.atomic import write_bytes

DISCLAIMER = "For research, not a medical device."

CSV_FIELDS = (
    "row", "seed", "set", "role", "metric", "value", "low", "high", "p", "p_holm", "name",
    "patients", "scans",
)  # fmt: skip


def to_markdown(record: StudyRecord, numbers: Aggregate | None = None) -> str:
    """The whole report but its pictures, as GitHub's Markdown; names are escaped.

    Args:
        numbers: of `aggregate(record)`, if they are there already.
    """
    parts = [f"# {_text(record.title)}", "", DISCLAIMER, ""]
    for section in sections(record, numbers or aggregate(record)):
        parts += [f"## {section.title}", "", *_section_lines(section)]
    return "\n".join(parts).rstrip() + "\n"


def csv_rows(record: StudyRecord, numbers: Aggregate | None = None) -> list[dict[str, Any]]:
    """A tidy table, ready for CSV and JSON: one line a row, seed, set, role and metric.

    Every line has the keys `CSV_FIELDS`; what doesn't apply is None. `seed` is None for the average
    over a row's seeds and for rows that aren't trained. Metrics:

        dice               value, low and high of the 95 % interval; patients, scans behind it
        dice_worst         the lowest scan's value and its name
        seed_slice_dice    value
        hd95_mm_median     value, None where an infinite one decides; not for all sets together
        dice_difference    to the reference row on test: mean, interval, p and Holm's p
        no_lung, failed    value is how many scans that is
    """
    empty = dict.fromkeys(CSV_FIELDS)
    return [{**empty, **line} for line in _csv_lines(numbers or aggregate(record))]


def write_csv(record: StudyRecord, path: Path, numbers: Aggregate | None = None) -> None:
    """Write `csv_rows`, None as empty; raises OutputError, nothing partial is left."""
    _write(path, CSV_FIELDS, csv_rows(record, numbers))


def write_scans_csv(record: StudyRecord, path: Path) -> None:
    """Write one line a `ScanScore`, its fields as columns, None as empty; raises OutputError."""
    names = [field.name for field in fields(ScanScore)]
    _write(path, names, (asdict(score) for score in record.scores))


def _write(path: Path, columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(lines)
    write_bytes(path, text.getvalue().encode())


def _csv_lines(numbers: Aggregate) -> Iterator[dict[str, Any]]:
    for (row, set_, role), cell in numbers.cells.items():
        for line in _cell_lines(cell):
            yield {"row": row, "set": set_, "role": role, **line}
    for test in numbers.tests:
        low, high = test.interval or (None, None)
        yield {
            "row": test.row, "set": test.set, "role": "test", "metric": "dice_difference",
            "value": test.mean, "low": low, "high": high, "p": test.p, "p_holm": test.p_holm,
            "patients": len(test.differences),
        }  # fmt: skip


def _cell_lines(cell: Cell) -> Iterator[dict[str, Any]]:
    size = {"patients": len(cell.patients), "scans": len(cell.scored)}
    if cell.worst:
        low, high = cell.interval or (None, None)
        yield {"metric": "dice", "value": cell.dice, "low": low, "high": high, **size}
        for seed, value in cell.seed_means.items():
            yield {"metric": "dice", "seed": seed, "value": value, **size}
        yield {"metric": "dice_worst", "value": cell.worst.dice, "name": cell.worst.name}
    if cell.seed_slice_dice is not None:
        yield {"metric": "seed_slice_dice", "value": cell.seed_slice_dice}
    if cell.hd95_mm is not None:
        finite = cell.hd95_mm if math.isfinite(cell.hd95_mm) else None
        yield {"metric": "hd95_mm_median", "value": finite}
    yield {"metric": "no_lung", "value": cell.no_lung}
    yield {"metric": "failed", "value": cell.failed}


def _section_lines(section: Section) -> Iterator[str]:
    for sentence in section.text:
        yield f"- {_text(sentence)}"
    if section.text:
        yield ""
    for table in section.tables:
        yield from _table_lines(table)
    for term, text in section.items:
        yield f"- **{_text(term)}**: {_text(text)}"
    if section.items:
        yield ""


def _table_lines(table: Table) -> Iterator[str]:
    yield from (f"### {_text(table.title)}", "")
    yield _line(_text(heading) for heading in _headings(table))
    yield _line("---" if i < table.heads else "---:" for i in range(len(table.columns)))
    for line in table.lines:
        yield _line(_entry(entry) for entry in line)
    yield ""
    if table.note:
        yield from (_text(table.note), "")


def _headings(table: Table) -> list[str]:
    """One line of headings: the group's name before the column's, where it has one."""
    groups = [name for name, span in table.groups for _ in range(span)]
    if not groups:
        return list(table.columns)
    pairs = zip(groups, table.columns, strict=True)
    return [f"{group}: {column.lower()}" if group else column for group, column in pairs]


def _entry(entry: Entry) -> str:
    text = f"**{_text(entry.text)}**" if entry.best else _text(entry.text)
    return f"{text} ({_text(entry.small)})" if entry.small else text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """One line of plain text: no HTML, no Markdown, no border of a table."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|])", r"\\\1", plain)
