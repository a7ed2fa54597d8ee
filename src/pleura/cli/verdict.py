"""The verdict and its reasons in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORST_FIRST = ("fail", "warn", "note")


def verdict_lines(quality: Mapping[str, Any]) -> list[str]:
    """`quality` of a record: the verdict, and a line a finding, the worst first.

    The code, by which docs/quality.md explains it, comes before the sentence, the repair behind it
    in brackets.
    """
    lines = [f"Verdict  {quality['verdict']}"]
    for finding in sorted(quality["findings"], key=lambda f: _WORST_FIRST.index(f["severity"])):
        repair = f" [{finding['repair']}]" if finding["repair"] else ""
        lines.append(f"  {finding['severity']} {finding['code']}: {finding['message']}{repair}")
    return lines
