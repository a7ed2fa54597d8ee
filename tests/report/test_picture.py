from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pleura.labels import PLEURA_LABELS
from pleura.report.picture import COLOURS, overlay, write_picture
from pleura.volume import Mask, Volume
from tests.phantom import chest


def scene(shape: tuple[int, int, int] = (24, 80, 80)) -> tuple[Volume, Mask]:
    phantom = chest(shape, (12, 5, 5))
    labels = np.where(phantom.labels == 3, 0, phantom.labels).astype(np.uint8)
    mask = Mask(labels, phantom.geometry, PLEURA_LABELS)
    return Volume(phantom.hu, phantom.geometry), mask


def columns_of(picture: np.ndarray, label: int) -> np.ndarray:
    return np.flatnonzero((picture == COLOURS[label]).all(axis=-1).any(axis=0))


def test_the_patients_right_is_on_the_left() -> None:
    volume, mask = scene()
    picture = overlay(volume, mask)
    axial = picture[:, : picture.shape[0]]
    assert columns_of(axial, 1).max() < columns_of(axial, 2).min() + 5


def test_a_flipped_scan_gives_the_same_picture() -> None:
    volume, mask = scene()
    geometry = volume.geometry.transposed((0, 1, 2), (True, False, True))
    flipped = Volume(np.ascontiguousarray(volume.array[::-1, :, ::-1]), geometry)
    turned = Mask(np.ascontiguousarray(mask.array[::-1, :, ::-1]), geometry, PLEURA_LABELS)
    assert (overlay(flipped, turned) == overlay(volume, mask)).all()


@pytest.mark.parametrize("slices", [1, 3])
def test_few_slices_make_a_picture_too(slices: int, tmp_path: Path) -> None:
    volume, mask = scene((slices, 80, 80))
    write_picture(volume, mask, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.height == 420
        assert picture.width < 4 * 420


def test_an_empty_mask_shows_the_middle() -> None:
    volume, mask = scene()
    empty = Mask(np.zeros_like(mask.array), mask.geometry, PLEURA_LABELS)
    picture = overlay(volume, empty)
    assert not columns_of(picture, 1).size
    assert picture.std() > 10
