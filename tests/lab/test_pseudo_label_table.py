"""pseudo_labels.csv, there and back."""

from __future__ import annotations

import pytest

from pleura.errors import UsageError
from pleura.lab.pseudo_label_table import TABLE, PseudoLabel, read_pseudo_labels, write_table

ROWS = [
    PseudoLabel("a, b", "/x/a, b.nii", "lungs 1", "pass", "note:x", 0.61, 2000.5, 1800.0, True),
    PseudoLabel("c", "/x/c", "lungs 1", reason="It can't be read; copy it again."),
]


def test_there_and_back(tmp_path):
    write_table(reversed(ROWS), tmp_path)
    assert read_pseudo_labels(tmp_path) == ROWS


@pytest.mark.parametrize(("word", "bad"), [("0.61", "x"), (",yes,", ",maybe,")])
def test_a_damaged_line_is_named(tmp_path, word, bad):
    write_table(ROWS, tmp_path)
    text = (tmp_path / TABLE).read_text()
    assert word in text
    (tmp_path / TABLE).write_text(text.replace(word, bad))
    with pytest.raises(UsageError, match="damaged line for 'a, b'"):
        read_pseudo_labels(tmp_path)
