from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from pleura.errors import GeometryError
from pleura.volume import Geometry, Mask, Volume
from tests.grids import geometries

SHEARED = np.array([[0.8, 0, 0, 1], [0, 0.8, 0.4, 2], [0, 0, 2.5, 3], [0, 0, 0, 1]])


@given(geometries())
def test_parts_rebuild_the_affine(geometry: Geometry) -> None:
    rebuilt = Geometry.from_parts(
        geometry.shape_zyx, geometry.spacing_zyx_mm, geometry.origin_lps_mm, geometry.direction_lps
    )
    assert np.allclose(rebuilt.affine, geometry.affine)
    assert rebuilt.matches(geometry)


@given(geometries())
def test_simpleitk_agrees_on_every_corner(geometry: Geometry) -> None:
    image = Mask(np.zeros(geometry.shape_zyx, np.uint8), geometry).to_sitk()
    for index in np.ndindex(2, 2, 2):
        corner = [int(i * (n - 1)) for i, n in zip(index, geometry.shape_zyx[::-1], strict=True)]
        expected = image.TransformIndexToPhysicalPoint(corner)
        assert np.allclose((geometry.affine @ [*corner, 1])[:3], expected, atol=1e-6)


@given(geometries())
def test_nibabel_agrees_on_every_corner(geometry: Geometry) -> None:
    image = Mask(np.zeros(geometry.shape_zyx, np.uint8), geometry).to_nibabel()
    assert image.shape == geometry.shape_zyx[::-1]
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ image.affine, geometry.affine, atol=1e-4)


@given(geometries(), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_transposed_keeps_every_voxel_in_place(
    geometry: Geometry, axes: list[int], flips: tuple[bool, bool, bool]
) -> None:
    where = np.stack(np.meshgrid(*map(np.arange, geometry.shape_zyx), indexing="ij"), axis=-1)
    moved = where.transpose(*axes, 3)
    moved = moved[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    changed = geometry.transposed((axes[0], axes[1], axes[2]), flips)
    assert changed.shape_zyx == moved.shape[:3]
    for index in [(0, 0, 0), tuple(n - 1 for n in moved.shape[:3])]:
        before = geometry.affine @ [*moved[index][::-1], 1]
        after = changed.affine @ [*index[::-1], 1]
        assert np.allclose(before, after, atol=1e-6)


def test_a_shear_is_no_orthogonal_grid() -> None:
    geometry = Geometry((4, 5, 6), SHEARED)
    assert not geometry.is_orthogonal
    with pytest.raises(GeometryError, match="sheared"):
        Mask(np.zeros((4, 5, 6), np.uint8), geometry).to_sitk()
    assert geometry.voxel_ml == pytest.approx(0.8 * 0.8 * 2.5 / 1000)


@pytest.mark.parametrize(
    "affine",
    [np.zeros((4, 4)), np.diag([1.0, 1, 0, 1]), np.full((4, 4), np.nan), np.eye(3)],
    ids=["zero", "flat", "nan", "small"],
)
def test_unusable_affines_are_refused(affine: np.ndarray) -> None:
    with pytest.raises(GeometryError):
        Geometry((2, 2, 2), affine)


def test_matches_looks_at_every_corner() -> None:
    geometry = Geometry.from_parts((10, 100, 100), (1, 1, 1))
    turned = geometry.affine.copy()
    turned[0, 1] = 0.001  # at the origin nothing moves, at the far corner 0.1 mm
    assert not geometry.matches(Geometry(geometry.shape_zyx, turned), 0.05)
    assert geometry.matches(Geometry(geometry.shape_zyx, turned), 0.2)
    assert not geometry.matches(Geometry.from_parts((9, 100, 100), (1, 1, 1)))


def test_array_and_grid_must_have_one_shape() -> None:
    with pytest.raises(GeometryError, match="shape"):
        Volume(np.zeros((2, 3, 4), np.int16), Geometry.from_parts((2, 3, 5)))


def test_geometry_can_not_be_changed() -> None:
    geometry = Geometry.from_parts((2, 3, 4))
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 5


@pytest.mark.parametrize("codes", [(1, 1), (2, 0), (0, 3), (1, 4)])
def test_nibabel_mask_repeats_the_header_bit_for_bit(codes: tuple[int, int]) -> None:
    affine = np.array([[-0.7, 0.01, 0, 90.1], [0.01, -0.7, 0, 80.3], [0, 0, 2.49, 7], [0, 0, 0, 1]])
    scan = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), affine)
    scan.set_qform(affine, code=codes[0])
    scan.set_sform(affine, code=codes[1])
    scan.header.set_xyzt_units("mm", "sec")
    read = nibabel.Nifti1Image.from_bytes(scan.to_bytes())
    geometry = Geometry((5, 4, 3), np.diag([-1, -1, 1, 1]) @ read.affine)
    mask = Mask(np.zeros((5, 4, 3), np.uint8), geometry, header=read.header).to_nibabel()
    again = nibabel.Nifti1Image.from_bytes(mask.to_bytes())
    assert again.affine.tobytes() == read.affine.tobytes()
    prefixes = ("qform", "sform", "srow", "quatern", "qoffset", "xyzt")
    for name in (key for key in read.header.keys() if key.startswith(prefixes)):  # noqa: SIM118
        assert again.header[name].tobytes() == read.header[name].tobytes(), name
    assert again.header["pixdim"][:4].tobytes() == read.header["pixdim"][:4].tobytes()


def test_simpleitk_round_trip() -> None:
    geometry = Geometry.from_parts((3, 4, 5), (2.5, 0.7, 0.8), (1, 2, 3))
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    assert (sitk.GetArrayFromImage(Mask(array, geometry).to_sitk()) == array).all()
