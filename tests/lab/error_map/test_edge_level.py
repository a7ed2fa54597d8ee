"""A mask cut at a threshold shows that threshold."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.error_map.edge_level import edge_hu


@pytest.mark.parametrize("level", [-600, -400, -250])
def test_a_threshold_is_found_again(level: int) -> None:
    """A disc whose edge is blurred over ten pixels."""
    y, x = np.mgrid[:80, :80] - 39.5
    radius = np.hypot(y, x)
    hu = np.interp(radius, (20, 30), (-850, 50))[None].astype(np.int16)
    found = edge_hu(hu, hu < level)
    assert found is not None and found == pytest.approx(level, abs=15)


def test_no_edge_has_no_level() -> None:
    hu = np.zeros((2, 4, 4), dtype=np.int16)
    assert edge_hu(hu, hu > 0) is None and edge_hu(hu, hu == 0) is None
