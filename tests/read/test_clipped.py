"""Windows."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.errors import IntensityError
from tests.read.made_defects import codes, example, phantom, read

SCANS = {"phantom": phantom().hu, "example": example().array}


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize(
    ("window", "severity", "words"),
    [
        ((-1350, 150), "note", "at 150 HU"),
        ((-700, 400), "note", "at -700 HU and at 400 HU"),
        ((-1200, -200), "warn", "dense tissue can't be measured"),
    ],
)
def test_a_window_that_shows_lungs_is_said(
    scan: str, window: tuple[int, int], severity: str, words: str
) -> None:
    (finding,) = (f for f in read(SCANS[scan].clip(*window)).findings if f.code == "clipped_range")
    assert finding.severity == severity and words in finding.message


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("window", [(-160, 240), (-300, 400), (-950, -500), (-500, 400)])
def test_a_window_that_hides_lungs_is_refused(scan: str, window: tuple[int, int]) -> None:
    with pytest.raises(IntensityError, match="was clipped to values"):
        read(SCANS[scan].clip(*window))


@pytest.mark.parametrize("window", [(-1024, 3071), (-1024, 1000), (-1000, 2000)])
def test_what_loses_nothing_is_not_mentioned(window: tuple[int, int]) -> None:
    assert codes(read(phantom().hu.clip(*window))) == []


def test_scans_without_bone_or_air_are_no_windows() -> None:
    wall = np.ascontiguousarray(phantom().hu[:, 56:72, 56:72])
    assert wall.max() < 600 and codes(read(np.where(phantom().hu > 300, 40, phantom().hu))) == []
    assert "clipped_range" not in codes(read(wall))
