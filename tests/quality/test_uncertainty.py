"""The entropy at the edge, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pleura.quality.uncertainty import edge_entropy

LEVEL = 128


def bits(value: int) -> float:
    p = value / 255
    return 0.0 if p in (0, 1) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def step(*values: int) -> np.ndarray:
    """Columns of these values in one slab of 3 rows."""
    return np.broadcast_to(np.array(values, np.uint8), (1, 3, len(values)))


@pytest.mark.parametrize(
    ("values", "edge"),
    [
        ((0, 0, 255, 255), (0, 255)),  # a sure edge
        ((0, 64, 191, 255), (64, 191)),  # one pixel on each side counts, no more
        ((0, 127, 128, 0), (127, 128, 0)),
        ((200, 60, 200), (200, 60, 200)),
    ],
)
def test_both_sides_of_the_edge_count(values: tuple[int, ...], edge: tuple[int, ...]) -> None:
    expected = sum(map(bits, edge)) / len(edge)
    assert edge_entropy(step(*values), LEVEL) == pytest.approx(expected, abs=1e-6)
    turned = step(*values).transpose(0, 2, 1)
    assert edge_entropy(turned, LEVEL) == pytest.approx(expected, abs=1e-6)


def test_slabs_are_no_edges_of_each_other() -> None:
    slabs = np.stack([np.full((4, 4), 255), np.zeros((4, 4))]).astype(np.uint8)
    assert math.isnan(edge_entropy(slabs, LEVEL))


@pytest.mark.parametrize("value", [0, 255])
def test_without_an_edge_there_is_no_number(value: int) -> None:
    assert math.isnan(edge_entropy(np.full((2, 4, 4), value, np.uint8), LEVEL))


def test_a_network_that_knows_nothing_has_one_bit() -> None:
    noise = np.random.default_rng(0).integers(126, 130, (2, 16, 16))
    assert edge_entropy(noise, LEVEL) == pytest.approx(1, abs=1e-3)
