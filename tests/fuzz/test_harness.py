"""The harness itself: readers with faults, each of which must be reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.cases import KINDS, case, valid
from tests.fuzz.harness import CRASH, HANG, Options, Report, StartError, fuzz
from tests.fuzz.worker import EXCEPTION, LITTER, MEMORY

CASES = 8


def run(folder: Path, name: str, cases: int = CASES, hang_seconds: float = 5.0) -> Report:
    reader = f"tests.fuzz.bad_readers:{name}"
    return fuzz(Options(cases, reader=reader, hang_seconds=hang_seconds), folder)


@pytest.mark.parametrize(
    ("name", "outcome", "word"),
    [
        ("raises", EXCEPTION, "KeyError: 'missing'"),
        ("aborts", CRASH, "Fatal Python error: Aborted"),
        ("segfaults", CRASH, "Segmentation fault"),
        ("leaves", CRASH, "exit code 0"),
        ("allocates", MEMORY, "MiB; read"),
        ("allocates_too_much", MEMORY, "1.00 TiB"),
        ("litters", LITTER, "tmp"),
    ],
)
def test_each_fault_is_reported_once(tmp_path: Path, name: str, outcome: str, word: str) -> None:
    found = run(tmp_path, name)
    (fault,) = found.faults
    assert (fault.number, fault.outcome) == (3, outcome)
    assert fault.kind == case(3).kind and word in fault.detail
    assert found.cases == CASES and found.counts[fault.kind, outcome] == 1


def test_a_hang_is_reported(tmp_path: Path) -> None:
    found = run(tmp_path, "hangs", hang_seconds=0.5)
    assert [(fault.number, fault.outcome) for fault in found.faults] == [(3, HANG)]
    assert found.cases == CASES


def test_a_hang_that_does_not_happen_again_was_the_machine(tmp_path: Path) -> None:
    found = run(tmp_path, "hangs_once", hang_seconds=0.5)
    assert found.faults == [] and found.cases == CASES


def test_a_slow_leak_is_a_blow_up(tmp_path: Path) -> None:
    found = run(tmp_path, "leaks", cases=4)
    assert [fault.outcome for fault in found.faults] == [MEMORY] and found.cases == 4


def test_what_libraries_print_is_counted_but_no_fault(tmp_path: Path) -> None:
    found = run(tmp_path, "talks")
    assert found.faults == [] and dict(found.noisy)[case(3).kind] == 1


def test_shares_of_several_workers_are_all_cases(tmp_path: Path) -> None:
    options = Options(203, first=10, workers=3, reader="tests.fuzz.bad_readers:good")
    found = fuzz(options, tmp_path)
    assert found.cases == 203 and found.faults == []
    assert {kind for kind, _ in found.counts} == set(KINDS)


def test_a_valid_scan_that_is_refused_stops_the_worker(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="the valid scan 'nifti' was not read"):
        run(tmp_path, "refuses")


def test_a_number_has_one_meaning() -> None:
    assert all(case(number) == case(number) for number in range(100))
    changed = {number: case(number) for number in range(300)}
    files = {tuple(sorted(found.files.items())) for found in changed.values()}
    assert len(files) > 280, "cases differ"
    seeds = {tuple(sorted(found.files.items())) for found in valid()}
    assert len(files & seeds) < 10, "cases are damaged"
