"""The verdict and its reasons in lines."""

from __future__ import annotations

from pleura.cli.verdict import verdict_lines
from pleura.findings import Finding
from pleura.quality import Quality


def test_a_line_a_finding_the_worst_first_with_its_repair_in_brackets() -> None:
    quality = Quality(
        (
            Finding("small_body", "note", "The body is small."),
            Finding("offset", "warn", "Numbers are 1024 too high.", "1024 subtracted"),
            Finding("no_lung", "fail", "No lung was found."),
        )
    )
    assert verdict_lines(quality.to_dict()) == [
        "Verdict  fail",
        "  fail no_lung: No lung was found.",
        "  warn offset: Numbers are 1024 too high. [1024 subtracted]",
        "  note small_body: The body is small.",
    ]


def test_nothing_found() -> None:
    assert verdict_lines(Quality(()).to_dict()) == ["Verdict  pass"]
