"""Findings: what pleura noticed about a scan or a result, in words and codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warn", "fail"]
Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One observation: a stable `code`, how much it matters, and one sentence for people.

    `repair` says what pleura changed because of it ("" when nothing): a few words, no sentence.
    """

    code: str
    severity: Severity
    message: str
    repair: str = ""

    def to_dict(self) -> dict[str, str | None]:
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "repair": self.repair or None,
        }


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """The worst severity decides: any `fail` -> fail, any `warn` -> warn, else pass."""
    severities = {finding.severity for finding in findings}
    if "fail" in severities:
        return "fail"
    return "warn" if "warn" in severities else "pass"


def count_of(number: int, noun: str) -> str:
    """`1 slice`, `2 slices`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
