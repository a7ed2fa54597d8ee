"""Findings as one field of a table, there and back."""

from __future__ import annotations

from pleura.findings import Finding
from pleura.lab.finding_codes import codes_of, warned


def test_notes_are_no_warnings() -> None:
    findings = [
        Finding("thin", "note", ""),
        Finding("voids", "warn", ""),
        Finding("cut", "fail", ""),
    ]
    assert codes_of(findings) == "note:thin warn:voids fail:cut"
    assert warned(codes_of(findings)) == {"voids", "cut"}
    assert codes_of([]) == "" and warned("") == frozenset()


def test_the_bare_code_of_an_error_counts() -> None:
    assert warned("intensity") == {"intensity"}
