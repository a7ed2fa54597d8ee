"""What a study's numbers can and can't show, in sentences, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Iterator

from pleura.findings import count_of
from pleura.lab.statistics import MIN_PATIENTS
from pleura.lab.study.aggregate import Aggregate
from pleura.lab.study.scores import StudyRecord
from pleura.lab.study.wording import dice, title

_SIGNIFICANT = 0.05
_TEST = "test"

DEFINITIONS = (
    (
        "Dice",
        "Twice the voxels that prediction and reference share, divided by the sum of both; over a "
        "whole scan on its own grid, both lungs together. Averaged over a row's seeds, then over a "
        "patient's scans, then over patients. A scan whose reference holds no lung has none.",
    ),
    (
        "Seed slice Dice",
        "The seed study's own metric (seed_slice_dice): the mean of per-slice Dice within a scan, "
        "where an empty slice that is predicted empty counts 1; then averaged as Dice is. Slices "
        "without lung lift it, so it compares only rows on the same scans.",
    ),
    (
        "95 % interval",
        "Percentile bootstrap of the mean, patients resampled. It speaks of other patients like "
        f"these, not of other training runs. Below {MIN_PATIENTS} patients there is none; the "
        "patients' values are listed instead.",
    ),
    (
        "HD95",
        "The larger of the two directed 95th percentiles of surface distances; the median over "
        "scans. Infinite where one of the two masks is empty.",
    ),
    (
        "p",
        "Wilcoxon's signed-rank test, two-sided, one difference a patient. Holm's correction "
        f"counts every test of this report. Below {MIN_PATIENTS} patients there is none.",
    ),
)


def reading(record: StudyRecord, numbers: Aggregate) -> tuple[str, ...]:
    """Sentences that keep a reader from concluding too much."""
    return tuple(_sentences(record, numbers)) if record.scores else ()


def _sentences(record: StudyRecord, numbers: Aggregate) -> Iterator[str]:
    yield (
        "Only the test column is a fair comparison: trained rows were fitted to the training "
        "patients, and validation chose their checkpoint."
    )
    if record.models:
        yield (
            f"{', '.join(record.models)} wasn't trained here; whether it has seen these test "
            "patients, its model card must say."
        )
    for set_ in numbers.sets:
        patients = len(set(numbers.scans(set_, _TEST).values()))
        if 0 < patients < MIN_PATIENTS:
            yield (
                f"{title(set_)}: {count_of(patients, 'test patient')} can't rank the rows, so "
                "there is neither interval nor test, only the values."
            )
    yield _tested(record, numbers)
    yield from _seed_spread(numbers)


def _tested(record: StudyRecord, numbers: Aggregate) -> str:
    made = [test for test in numbers.tests if test.p_holm is not None]
    if not made:
        return f"No row could be tested against {record.reference_row}."
    found: dict[str, list[str]] = {}
    for test in made:
        if test.p_holm is not None and test.p_holm < _SIGNIFICANT:
            words = f"{test.row} {'higher' if test.mean > 0 else 'lower'}"
            found.setdefault(test.set, []).append(words)
    compared = f"Against {record.reference_row} on test, {count_of(len(made), 'paired test')}"
    if not found:
        return (
            f"{compared}: after Holm's correction no row differs (p < {_SIGNIFICANT}). "
            "That doesn't show that the rows are equal."
        )
    listed = "; ".join(f"{title(set_)}: {', '.join(rows)}" for set_, rows in found.items())
    rest = " The others show none, which isn't equality."
    return (
        f"{compared}: after Holm's correction (p < {_SIGNIFICANT}) these differences remain. "
        f"{listed}.{rest if sum(map(len, found.values())) < len(made) else ''}"
    )


def _seed_spread(numbers: Aggregate) -> Iterator[str]:
    trained = {
        (row, set_): cell
        for set_ in numbers.sets
        for row, cell in numbers.of(set_, _TEST).items()
        if cell.seeds
    }
    if not trained:
        return
    if all(len(cell.seeds) == 1 for cell in trained.values()):
        yield "One seed a row: how far a row moves by the luck of its training isn't known."
        return
    (row, set_), widest = max(trained.items(), key=lambda item: item[1].seed_range or 0.0)
    yield (
        f"By its seed alone a row's test mean moves by up to {dice(widest.seed_range)} "
        f"({row}, {title(set_).lower()}); between rows such a difference is no evidence, "
        "whatever its p: the tests know patients, not training runs."
    )
