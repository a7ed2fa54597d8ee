"""A line a way, with what was said of it."""

from __future__ import annotations

from pleura.lab.verdicts.rows import Row
from pleura.lab.verdicts.tables import tables


def row(experiment: str, way: str, outcome: str, codes: str, dice: float | None) -> Row:
    return Row(experiment, way, "volumes", "one", "train", outcome, codes, dice)


ROWS = [
    row("good", "model", "pass", "note:thin", 0.99),
    row("good", "model", "pass", "", 0.975),
    row("mask", "holes", "warn", "warn:voids warn:voids", 0.9),
    row("mask", "holes", "fail", "warn:voids fail:edge_in_lung", 0.8),
    row("mask", "holes", "pass", "", 0.95),
    row("scan", "inverted", "refused", "intensity", None),
]


def test_lines_count_outcomes_and_scans_with_a_finding() -> None:
    lines = {name: found[2:] for name, found in tables(ROWS).items()}
    assert lines == {
        "good": ["| volumes: model | 2 | 2 | 0 | 0 | 0 | 0.975 | - |"],
        "mask": ["| holes | 3 | 2 | 1 | 1 | 1 | 0 | 0.950 | voids 2, edge_in_lung 1 |"],
        "scan": ["| inverted | 1 | 1 | 0 | 0 | 0 | 1 | - | intensity 1 |"],
    }


def test_what_the_good_mask_is_warned_of_too_is_not_noticed() -> None:
    rows = [
        row("good", "model", "warn", "warn:lung_cut_off", 0.99),
        row("mask", "holes", "warn", "warn:lung_cut_off", 0.9),
        row("mask", "holes", "warn", "warn:lung_cut_off warn:voids", 0.9),
    ]
    assert tables(rows)["mask"][2].startswith("| holes | 2 | 1 | 0 | 2 |")


def test_a_table_has_as_many_fields_as_its_head() -> None:
    for lines in tables(ROWS).values():
        assert len({line.count("|") for line in lines}) == 1
