"""The verdict and its reasons in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def verdict_lines(quality: Mapping[str, Any]) -> list[str]:
    """`quality` of a record: the verdict, and a line a finding with its repair in brackets."""
    lines = [f"Verdict  {quality['verdict']}"]
    for finding in quality["findings"]:
        repair = f" [{finding['repair']}]" if finding["repair"] else ""
        lines.append(f"  {finding['severity']}: {finding['message']}{repair}")
    return lines
