"""Findings in one field of a table: "warn:voids note:small_body"."""

from __future__ import annotations

from collections.abc import Iterable

from pleura.findings import Finding


def codes_of(findings: Iterable[Finding]) -> str:
    """Every finding as severity:code, separated by blanks."""
    return " ".join(f"{finding.severity}:{finding.code}" for finding in findings)


def warned(codes: str) -> frozenset[str]:
    """Codes of warnings and failures in what `codes_of` wrote; an error's bare code counts, too."""
    words = (word.rpartition(":") for word in codes.split())
    return frozenset(code for severity, _, code in words if severity != "note")
