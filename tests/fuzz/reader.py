"""What is asked of pleura for each case: a volume or one sentence, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pleura
from pleura import Finding, PleuraError, Segmenter
from pleura.record import grid_record
from tests.engines import threshold_segmenter
from tests.scans import Run

Reader = Callable[[Path, int], str]
_SEGMENT_EVERY = 19  # no divisor of the hundred in which formats repeat, so each has its turn


class SentenceError(Exception):
    """A message that isn't one printable sentence."""


def read(path: Path, number: int) -> str:
    """Read a case; each nineteenth goes through `info` and the whole of `segment` too.

    Returns:
        "read", "segmented", or the name of the `PleuraError` that it was refused with.

    Raises:
        Exception: what pleura should have turned into a sentence.
    """
    try:
        volume = pleura.read(path)
        _check_findings(volume.findings)
        _check_json([grid_record(volume.geometry), *volume.series])
        if number % _SEGMENT_EVERY:
            return "read"
        _check_json(pleura.info(path))
        result = _segmenter().segment(path)
        _check_findings(result.quality.findings)
        _check_json(result.record)
        result.save(path.parent / "mask.nii.gz")
        return "segmented"
    except PleuraError as error:
        _check_sentence(error)
        if _lacked_memory(error):
            raise MemoryError(str(error)) from error
        return type(error).__name__


@cache
def _segmenter() -> Segmenter:
    return threshold_segmenter()


def _check_json(record: object) -> None:
    """`--json` can print it: JSON has neither NaN nor infinity."""
    json.dumps(record, allow_nan=False)


def _check_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        if not finding.message.isprintable() or not finding.message.endswith("."):
            raise SentenceError(f"finding {finding.code}: {finding.message[:500]!r}")


def _check_sentence(error: PleuraError) -> None:
    try:
        # Names in quotes are the scan's own and may be sentences.
        unquoted = re.sub("'[^']*'", "''", str(error))
        Run(error.exit, "", f"Error: {unquoted}\n").assert_one_sentence()
    except AssertionError as wrong:
        raise SentenceError(repr(str(error))[:500]) from wrong
    if not str(error).isprintable():
        raise SentenceError(repr(str(error))[:500]) from error


def _lacked_memory(error: BaseException | None) -> bool:
    """A case is small: whoever runs out of memory believed a header."""
    while error is not None:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
