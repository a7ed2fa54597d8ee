"""Rows survive their CSV; a file that isn't theirs is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pleura.errors import UnreadableError
from pleura.lab.verdicts.rows import Row, read_verdicts, write_verdicts

JUDGED = Row("mask", "a, b", "volumes", "one", "train", "warn", "warn:voids note:thin", 0.9876)
REFUSED = Row("scan", "inverted", "volumes", "one", "train", "refused", "intensity")
HEADER = "experiment,way,set,scan,role,outcome,codes,dice"


def test_there_and_back(tmp_path: Path) -> None:
    file = tmp_path / "verdict.csv"
    write_verdicts([JUDGED, REFUSED], file)
    assert read_verdicts(file) == [JUDGED, REFUSED]
    assert file.read_text().splitlines() == [
        HEADER,
        'mask,"a, b",volumes,one,train,warn,warn:voids note:thin,0.9876',
        "scan,inverted,volumes,one,train,refused,intensity,",
    ]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "a,b\n1,2\n",
        f"{HEADER}\nmask,w,v,s,r,pass,,much\n",
        f"{HEADER}\nmask,w\n",
        f"{HEADER}\nmask,w,v,s,r,pass,,1,2\n",
    ],
    ids=["missing", "empty", "other", "no number", "short line", "long line"],
)
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "verdict.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UnreadableError, match=r"verdict\.csv"):
        read_verdicts(file)
