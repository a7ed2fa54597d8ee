"""Of several runs of a scan the worst one's picture is kept."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pleura.lab import worst_slices as module
from pleura.lab.label_check import Disagreement
from pleura.lab.worst_slices import WorstSlices

ROW = Disagreement("s", "a", "p", 0.9, 1.0, 2.0, None, 1)


def test_the_worst_run_s_slice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    grid = SimpleNamespace(forward=lambda slices, padding: slices)
    monkeypatch.setattr(module, "grid_of", lambda *_: grid)
    monkeypatch.setattr(module, "slice_png", lambda hu, *_: drawn.append(hu.max()) or b"%d" % hu[0])
    images = np.array([[0], [1], [2]])
    item = SimpleNamespace(
        scan=None, store=SimpleNamespace(images=lambda _, start, stop: images[start:stop]),
        member=SimpleNamespace(config=SimpleNamespace(preprocessing=None)),
    )  # fmt: skip
    predicted = SimpleNamespace(found=np.zeros((1, 3)), labelled=np.zeros((1, 3)))
    pictures = WorstSlices()
    for dice, worst in ((0.9, 1), (0.8, 2), (0.85, 0)):
        pictures(item, predicted, replace(ROW, dice=dice, worst_slice=worst))
    assert pictures.pngs == {("s", "a"): b"2"} and drawn == [1, 2]
