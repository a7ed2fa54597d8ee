"""Images in memory."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

import pleura
from pleura.errors import GeometryError, IntensityError, UsageError
from pleura.volume import Geometry, Volume, nibabel_image, sitk_image
from pleura.write import write_mask
from tests.grids import rotation

SHAPE = (4, 10, 12)
HU = np.random.default_rng(0).integers(-1024, 1500, SHAPE, dtype=np.int16)
GRID = Geometry.from_parts(SHAPE, (5.0, 0.8, 0.7), (1.0, 2.0, 3.0), rotation(30, 2))


def test_numpy_with_spacing() -> None:
    volume = pleura.read(HU, spacing=(5, 0.8, 0.7))
    assert np.array_equal(volume.array, HU) and volume.format == "array"
    assert volume.geometry.matches(Geometry.from_parts(SHAPE, (5, 0.8, 0.7)))
    assert volume.source is None


@pytest.mark.parametrize("spacing", [(0.8, 0.7), (1.0, 0.8, 0.7)])
def test_a_numpy_slice(spacing: tuple[float, ...]) -> None:
    volume = pleura.read(HU[0].astype(float), spacing=spacing)
    assert volume.array.shape == (1, 10, 12)
    assert np.allclose(volume.geometry.spacing_zyx_mm, (1.0, 0.8, 0.7))


def test_views_are_taken() -> None:
    assert np.array_equal(pleura.read(HU[::-1, ::2], spacing=(1, 1, 1)).array, HU[::-1, ::2])


@pytest.mark.parametrize(
    ("shape", "spacing", "error"),
    [
        (SHAPE, None, UsageError),
        (SHAPE, (1, 1), UsageError),
        (SHAPE, (1, 1, 0), UsageError),
        (SHAPE, (1, -1, 1), UsageError),
        (SHAPE, (1, np.nan, 1), UsageError),
        ((2, 4, 10, 6), (1, 1, 1), GeometryError),
        ((480,), (1, 1, 1), GeometryError),
        ((0, 10, 12), (1, 1, 1), GeometryError),
    ],
)
def test_numpy_that_does_not_fit(shape, spacing, error) -> None:
    array = np.resize(HU, shape)
    with pytest.raises(error, match=r"[Ss]pacing|shape"):
        pleura.read(array, spacing=spacing)


def test_simpleitk() -> None:
    volume = pleura.read(sitk_image(HU, GRID))
    assert np.array_equal(volume.array, HU) and volume.geometry.matches(GRID)
    assert volume.format == "simpleitk"


def test_a_simpleitk_image_may_go_away() -> None:
    volume = pleura.read(sitk_image(HU, GRID))
    for _ in range(20):  # would reuse the freed memory
        sitk_image(np.zeros(SHAPE, np.int16), GRID)
    assert np.array_equal(volume.array, HU)


def test_nibabel() -> None:
    image = nibabel_image(HU, GRID)
    volume = pleura.read(image)
    assert np.array_equal(volume.array, HU) and volume.geometry.matches(GRID)
    assert volume.format == "nibabel" and volume.header is image.header


def test_other_formats_of_nibabel_can_be_masked_too(tmp_path) -> None:
    affine = np.diag([-0.7, -0.8, 5.0, 1.0])
    image = nibabel.MGHImage(HU.transpose(2, 1, 0).astype(np.float32), affine)
    volume = pleura.read(image)
    assert np.array_equal(volume.array, HU) and volume.header is None
    mask = pleura.Mask((HU > 0).astype(np.uint8), volume.geometry, {}, volume.header)
    write_mask(mask, tmp_path / "m.nii")
    assert np.allclose(nibabel.load(tmp_path / "m.nii").affine, affine)


def test_a_volume_is_itself() -> None:
    volume = Volume(HU, GRID)
    assert pleura.read(volume) is volume


@pytest.mark.parametrize("image", [sitk_image(HU, GRID), nibabel_image(HU, GRID)])
def test_spacing_and_series_are_not_for_images(image: object) -> None:
    with pytest.raises(UsageError, match="Spacing is for numpy arrays"):
        pleura.read(image, spacing=(1, 1, 1))
    with pytest.raises(UsageError, match="series"):
        pleura.read(image, series=1)


@pytest.mark.parametrize("thing", [None, 7, [[1, 2]], b"scan.nii"])
def test_other_things_are_refused(thing: object) -> None:
    with pytest.raises(UsageError, match="can't read a"):
        pleura.read(thing)


def test_pictures_in_memory_are_refused() -> None:
    with pytest.raises(IntensityError, match="8-bit picture"):
        pleura.read(np.abs(HU) % 256, spacing=(1, 1, 1))
