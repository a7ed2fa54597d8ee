"""Each way of writing a scan wrong: the reader or the verdict has to say something."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.errors import PleuraError
from pleura.lab.miswritten import MISWRITTEN, Miswritten
from pleura.quality import judge
from pleura.read import read
from pleura.volume import Mask, Volume
from tests.phantom import chest

PHANTOM = chest()
VOLUME = Volume(PHANTOM.hu, PHANTOM.geometry)
MASK = np.where(PHANTOM.labels > 2, 0, PHANTOM.labels).astype(np.uint8)


def made(name: str) -> Miswritten:
    return MISWRITTEN[name](VOLUME, MASK, np.random.default_rng(0))


@pytest.mark.parametrize("name", MISWRITTEN)
def test_voxels_and_expected_mask_have_one_grid_and_chance_is_seeded(name: str) -> None:
    first, second = made(name), made(name)
    assert first.array.shape == first.expected.shape == first.geometry.shape_zyx
    np.testing.assert_array_equal(first.array, second.array)
    changed = first.array.shape != VOLUME.array.shape or not np.array_equal(
        first.array, VOLUME.array
    )
    assert changed or not first.geometry.matches(VOLUME.geometry)


@pytest.mark.parametrize(
    "name",
    [
        "inverted",
        "8-bit picture",
        "normalised to 0..1",
        "z-scores",
        "half scale",
        "NaN in the body",
    ],
)
def test_numbers_that_are_no_hu_are_refused(name: str) -> None:
    with pytest.raises(PleuraError):
        read(made(name).image())


@pytest.mark.parametrize(
    "name", ["slices in random order", "every two slices exchanged", "scan repeated below itself"]
)
def test_a_mask_that_follows_the_voxels_shows_their_disorder(name: str) -> None:
    wrong = made(name)
    mask = Mask(wrong.expected, wrong.geometry, {1: "right lung", 2: "left lung"})
    quality = judge(Volume(wrong.array, wrong.geometry), mask).quality
    told = {finding.code for finding in quality.findings}
    assert told & {"slices_out_of_order", "slices_without_lung"}, told
