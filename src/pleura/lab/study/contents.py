"""What a study's report says, as sections of text and tables; Markdown and the page print them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pleura.findings import count_of
from pleura.lab.split import ROLES
from pleura.lab.statistics import MIN_PATIENTS
from pleura.lab.study.aggregate import ALL_SETS, Aggregate, Cell
from pleura.lab.study.reading import DEFINITIONS, reading
from pleura.lab.study.scores import ScanScore, StudyRecord
from pleura.lab.study.wording import (
    MINUS,
    NONE,
    PLUS,
    by_patient,
    dice,
    hd95,
    interval,
    named,
    signed,
    title,
)
from pleura.lab.tables import p_value

_MOST_ERRORS = 20
_POOLED = f"{title(ALL_SETS)} together aren't tested: they are the same patients again."
_OR_VALUES = f"95 % interval, or values below {MIN_PATIENTS} patients"


@dataclass(frozen=True)
class Entry:
    """One cell of a table; `small` stands below or behind the text, `best` is marked."""

    text: str
    small: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Lines under columns.

    Args:
        groups: (heading, columns that it spans) above the columns, where there are any.
        heads: so many first columns name what a line is about.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[Entry, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    note: str = ""
    heads: int = 1


@dataclass(frozen=True)
class Section:
    """Sentences, then tables, then (term, text) items."""

    key: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    items: tuple[tuple[str, str], ...] = ()


def sections(record: StudyRecord, numbers: Aggregate) -> tuple[Section, ...]:
    """The report in order; a section that would be empty is left out.

    Keys: facts, table, reading, tests, details, seeds, missing, left_out, definitions.
    """
    every = (
        Section("facts", "Facts", items=record.facts),
        Section("table", "Dice by row and role", tables=tuple(_headlines(numbers))),
        Section("reading", "How to read this", text=reading(record, numbers)),
        Section("tests", "Paired tests", tables=tuple(_tests(record, numbers))),
        Section("details", "Intervals and worst scans", tables=tuple(_details(numbers))),
        Section("seeds", "Spread of the seeds", tables=tuple(_seeds(numbers))),
        Section("missing", "Missing rows", items=record.missing),
        Section(
            "left_out", "Left out of Dice",
            tables=tuple(_without_lung(numbers)), items=_errors(record.scores),
        ),
        Section("definitions", "Definitions", items=DEFINITIONS),
    )  # fmt: skip
    return tuple(part for part in every if part.text or part.tables or part.items)


def _headlines(numbers: Aggregate) -> Iterator[Table]:
    """The seed's table: rows x Train, Validation, Test, once for each data set."""
    for set_ in numbers.sets:
        columns = [_dice_column(numbers, set_, role) for role in ROLES]
        columns += [_slice_column(numbers, set_, role) for role in ROLES]
        yield Table(
            title(set_),
            ("Row", *(title(role) for role in ROLES * 2)),
            tuple((Entry(row), *(column[row] for column in columns)) for row in numbers.rows),
            groups=(("", 1), ("Dice", len(ROLES)), ("Seed slice Dice", len(ROLES))),
            note=_headline_note(numbers, set_),
        )


def _headline_note(numbers: Aggregate, set_: str) -> str:
    cells = [(role, cell) for role in ROLES for cell in numbers.of(set_, role).values()]
    found = {role: numbers.scans(set_, role) for role in ROLES}
    counts = (
        f"{role} {count_of(len(set(scans.values())), 'patient')}, {count_of(len(scans), 'scan')}"
        for role, scans in found.items()
        if scans
    )
    parts = [f"Scans with lung: {'; '.join(counts)}.", "The best of a column is marked."]
    if any(cell.interval for _, cell in cells):
        parts.append("Beside or below a Dice its 95 % interval over patients.")
    if set_ == ALL_SETS:
        parts.append("A slice counts as much as a volume here: read the sets first.")
    if any(numbers.incomplete(cell, set_, role) for role, cell in cells):
        parts.append("† lacks scans that other rows have; it isn't comparable and is never best.")
    return " ".join(parts)


def _dice_column(numbers: Aggregate, set_: str, role: str) -> dict[str, Entry]:
    cells = numbers.of(set_, role)
    return _column(
        numbers.rows,
        {row: cell.dice for row, cell in cells.items()},
        {row for row, cell in cells.items() if numbers.incomplete(cell, set_, role)},
        {row: interval(cell.interval) for row, cell in cells.items() if cell.interval},
    )


def _slice_column(numbers: Aggregate, set_: str, role: str) -> dict[str, Entry]:
    cells = numbers.of(set_, role)
    # Scans without lung count here too, so a row may be partial by them alone.
    partial = {row for row, cell in cells.items() if numbers.incomplete(cell, set_, role)}
    partial |= {row for row, cell in cells.items() if cell.failed}
    return _column(
        numbers.rows, {row: cell.seed_slice_dice for row, cell in cells.items()}, partial, {}
    )


def _column(
    rows: tuple[str, ...],
    values: Mapping[str, float | None],
    partial: set[str],
    smalls: Mapping[str, str],
) -> dict[str, Entry]:
    """Row -> entry; the best of the rows that have every scan is marked, equal ones together."""
    shown = {row: dice(value) for row, value in values.items() if value is not None}
    rivals = [text for row, text in shown.items() if row not in partial]
    best = max(rivals) if len(rivals) > 1 else None
    return {
        row: Entry(
            ("† " if row in partial and row in shown else "") + shown.get(row, NONE),
            smalls.get(row, ""),
            row in shown and row not in partial and shown[row] == best,
        )
        for row in rows
    }


def _tests(record: StudyRecord, numbers: Aggregate) -> Iterator[Table]:
    lines = []
    for test in numbers.tests:
        differences = list(test.differences.values())
        shown = [signed(value) for value in differences]
        signs = [sum(text[0] == sign for text in shown) for sign in (PLUS, MINUS)]
        lines.append(_line(
            title(test.set), test.row, signed(test.mean),
            interval(test.interval, signed) if test.interval
            else by_patient(test.differences, signed),
            f"{signs[0]} / {signs[1]} / {len(shown) - sum(signs)}",
            p_value(test.p), p_value(test.p_holm),
        ))  # fmt: skip
    if lines:
        yield Table(
            f"Dice minus Dice of {record.reference_row}, test",
            ("Set", "Row", "Mean difference", _OR_VALUES,
             "Higher / lower / equal", "p", "p (Holm)"),
            tuple(lines), note=_POOLED if ALL_SETS in numbers.sets else "", heads=2,
        )  # fmt: skip


def _details(numbers: Aggregate) -> Iterator[Table]:
    for set_ in numbers.sets:
        cells = [
            (role, row, cell)
            for role in ROLES
            for row, cell in numbers.of(set_, role).items()
            if cell.scored
        ]
        distances = any(cell.hd95_mm is not None for *_, cell in cells)
        columns = ["Role", "Row", "Mean Dice", _OR_VALUES, "Worst scan"]
        columns += ["Median HD95 (mm)"] * distances + ["Patients", "Scans", "Failed"]
        lines = (_line(role, row, *_detail(cell, distances)) for role, row, cell in cells)
        yield Table(title(set_), tuple(columns), tuple(lines), heads=2)


def _detail(cell: Cell, distances: bool) -> list[str]:
    worst = named(cell.worst.name, cell.worst.dice) if cell.worst else NONE
    spread = interval(cell.interval) if cell.interval else by_patient(cell.patients)
    counts = [str(n) for n in (len(cell.patients), len(cell.scored), cell.failed)]
    return [dice(cell.dice), spread, worst, *[hd95(cell.hd95_mm)] * distances, *counts]


def _seeds(numbers: Aggregate) -> Iterator[Table]:
    for set_ in numbers.sets:
        lines = []
        for row in numbers.rows:
            cells = [numbers.cells.get((row, set_, role)) for role in ROLES]
            seeds = next((cell.seeds for cell in cells if cell and cell.seeds), ())
            if seeds:
                values = (_seed_values(cell) if cell else NONE for cell in cells)
                lines.append(_line(row, ", ".join(map(str, seeds)), *values, _spread(cells[-1])))
        if lines:
            columns = ("Row", "Seeds", *(title(role) for role in ROLES), "Range on test")
            yield Table(title(set_), columns, tuple(lines))


def _seed_values(cell: Cell) -> str:
    return " / ".join(dice(value) for value in cell.seed_means.values()) or NONE


def _spread(cell: Cell | None) -> str:
    return NONE if cell is None or cell.seed_range is None else dice(cell.seed_range)


def _without_lung(numbers: Aggregate) -> Iterator[Table]:
    for set_ in numbers.sets:
        cells = {role: numbers.of(set_, role) for role in ROLES}
        there = any(cell.no_lung for found in cells.values() for cell in found.values())
        if set_ == ALL_SETS or not there:
            continue
        lines = (
            _line(row, *(_kept_empty(cells[role].get(row)) for role in ROLES))
            for row in numbers.rows
        )
        yield Table(
            f"{title(set_)}: scans without lung, predicted empty by every seed",
            ("Row", *(title(role) for role in ROLES)),
            tuple(lines),
            note="They have no Dice and count in seed slice Dice only.",
        )


def _kept_empty(cell: Cell | None) -> str:
    return f"{cell.kept_empty} of {cell.no_lung}" if cell and cell.no_lung else NONE


def _errors(scores: tuple[ScanScore, ...]) -> tuple[tuple[str, str], ...]:
    """Row, scan and seed -> the sentence, cut after twenty."""
    failed = [score for score in scores if score.error is not None]
    items = [
        (
            f"{score.row}, {score.name}" + ("" if score.seed is None else f", seed {score.seed}"),
            score.error or "There is no reason given.",
        )
        for score in failed[:_MOST_ERRORS]
    ]
    if len(failed) > _MOST_ERRORS:
        items.append((f"{len(failed) - _MOST_ERRORS} more", "They are in scans.csv."))
    return tuple(items)


def _line(*texts: str) -> tuple[Entry, ...]:
    return tuple(Entry(text) for text in texts)
