"""Whoever sees a code in a result finds it in docs/quality.md."""

from __future__ import annotations

import re
from pathlib import Path

from pleura.quality.limits import LIMITS

ROOT = Path(__file__).resolve().parents[2]
FINDING = re.compile(r'\b(?:Finding|add)\(\s*"([a-z_]+)",')


def test_every_code_is_explained() -> None:
    sources = (ROOT / "src" / "pleura").rglob("*.py")
    codes = {code for path in sources for code in FINDING.findall(path.read_text("utf-8"))}
    codes |= {limit.code for limit in LIMITS}
    assert len(codes) > 60
    page = (ROOT / "docs" / "quality.md").read_text("utf-8")
    assert not sorted(code for code in codes if f"`{code}`" not in page)
