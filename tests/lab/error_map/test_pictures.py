"""Only what may be shown is shown; colours stand where the error is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pleura.lab.error_map.comparison import Comparison
from pleura.lab.error_map.pictures import (
    REFERENCE,
    Candidate,
    attribution,
    chosen,
    drawn,
    png,
    worst_slice,
)
from tests.lab.error_map.planted import SPACING, ball, compared


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        ("lidc0001", "LIDC"), ("tcga_001", "TCGA"), ("sbu_020", "NY-SBU"), ("cap001", None),
        ("covid001", None), ("normal001", None), ("lungdx0001", None), ("c3n00247", None),
        ("ID_0001", None),
    ],
)  # fmt: skip
def test_only_what_may_be_shown(scan: str, words: str | None) -> None:
    found = attribution(scan)
    assert found is None if words is None else words in (found or "") and "CC BY" in (found or "")


def test_the_committed_pictures_may_be_shown() -> None:
    folder = Path(__file__).resolve().parents[3] / "docs" / "error-map"
    files = sorted(folder.glob("*.png"))
    assert 0 < len(files) <= 6
    for file in files:
        assert attribution(file.stem.partition("-")[2]) and file.stat().st_size < 150_000


def test_one_slice_a_patient_and_as_many_of_each_role() -> None:
    def one(scan: str, patient: str, role: str, error: float) -> Candidate:
        return Candidate(scan, patient, role, error, b"")

    many = [one(f"t{i}", f"p{i}", "train", 10 + i) for i in range(9)]
    few = [one("v1", "q1", "validation", 1), one("v2", "q1", "validation", 2)]
    assert [c.scan for c in chosen(many + few)] == ["t8", "t7", "t6", "v2"]
    assert len(chosen(many)) == 6 and chosen([]) == []


def test_the_worst_slice_and_its_colours() -> None:
    wrong = ball(0, 0, 0, 25)
    missed = ball(0, 0, -80, 20)
    one = compared(wrong, missed)
    z, area = worst_slice(one)
    assert abs(z - 19.5) < 1
    error = (one.found ^ one.lungs)[z]
    assert area == pytest.approx(error.sum() * SPACING[1] * SPACING[2] / 100)
    picture = drawn(one, z).astype(int)
    assert picture.shape[1] == 480
    red, blue = picture[..., 0] - picture[..., 2] > 60, picture[..., 2] - picture[..., 0] > 60
    outlined = (picture == REFERENCE).all(axis=2)
    scale = 480 / one.hu.shape[2]
    for colour, part in ((red & ~outlined, one.false_positive[z]), (blue, one.false_negative[z])):
        assert colour.sum() == pytest.approx(part.sum() * scale**2, rel=0.1)
        ours, theirs = (np.argwhere(a).mean(axis=0) for a in (colour, part))
        assert np.allclose(ours / scale, theirs, atol=1)


def test_a_noisy_slice_stays_small() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(-600, 150, (1, 512, 512)).astype(np.int16)
    nothing = np.zeros(noise.shape, dtype=np.uint8)
    data = png(Comparison(noise, nothing > 0, nothing, (2.0, 0.7, 0.7), 0.001), 0)
    assert len(data) < 150_000
    assert Image.open(io.BytesIO(data)).size == (480, 480)
