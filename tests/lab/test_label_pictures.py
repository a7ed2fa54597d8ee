"""Pictures of labels to look at."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from pleura.lab.label_check import Disagreement
from pleura.lab.label_pictures import LABELS_COLOUR, PREDICTION_COLOUR, slice_png, write_page


def colours(png: bytes) -> set[tuple[int, ...]]:
    pixels = np.array(Image.open(BytesIO(png)).convert("RGB"))
    return set(map(tuple, pixels.reshape(-1, 3).tolist()))


def test_both_outlines_are_drawn_with_square_pixels() -> None:
    hu = np.full((20, 40), -500)
    found, labelled = np.zeros((2, 20, 40), dtype=bool)
    found[5:15, 5:15] = True
    labelled[5:15, 25:35] = True
    png = slice_png(hu, found, labelled)
    assert Image.open(BytesIO(png)).size == (420, 210)
    assert {LABELS_COLOUR, PREDICTION_COLOUR} <= colours(png)
    assert PREDICTION_COLOUR not in colours(slice_png(hu, found & False, labelled))


def test_names_are_shown_as_they_are(tmp_path) -> None:
    row = Disagreement("s", "<b>", "p", 0.5, 1.0, 2.0, None, 3)
    write_page([row], {("s", "<b>"): b"png"}, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    assert "s &lt;b&gt;, slice 3: Dice 0.5000, ASSD 1.00 mm" in text
