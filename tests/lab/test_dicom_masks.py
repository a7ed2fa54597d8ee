"""SEG and RTSTRUCT files, as other software writes them, come back voxel for voxel."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from pleura.errors import GeometryError, InputError, UnreadableError
from pleura.lab.dicom_masks import DicomMasks
from pleura.lab.label_map import NAMED
from pleura.lab.mask_objects import describe
from pleura.labels import to_pleura
from pleura.volume import Geometry, Volume
from tests.dicom_masks import (
    LUNG,
    NEOPLASM,
    TRACHEA,
    Segment,
    images_of,
    outlines,
    write_rtstruct,
    write_seg,
)
from tests.dicom_phantom import write_series
from tests.lab.small_store import small_chest

SIDES = (("Right Lung", 1), ("Left Lung", 2))


@pytest.fixture
def phantom():
    return small_chest()


@pytest.fixture
def images(tmp_path, phantom):
    write_series(tmp_path / "ct", phantom.hu, phantom.geometry)
    return images_of(tmp_path / "ct")


def coded(phantom):
    return [
        Segment("Segment 1", phantom.labels == 1, LUNG, "right"),
        Segment("Segment 2", phantom.labels == 2, LUNG, "left"),
        Segment("Segment 3", phantom.labels == 3, TRACHEA),
    ]


def volume_of(phantom):
    return Volume(phantom.hu, phantom.geometry)


def read(path, volume):
    return DicomMasks((describe(path),)).read(volume)


def contours(phantom):
    return {
        name: outlines(phantom.labels == number, phantom.geometry)
        for name, number in (("Lung_R", 1), ("Lung_L", 2), ("Trachea", 3))
    }


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("BINARY", ExplicitVRLittleEndian),
        ("FRACTIONAL", ExplicitVRLittleEndian),
        ("FRACTIONAL", RLELossless),
        ("LABELMAP", ExplicitVRLittleEndian),
        ("LABELMAP", RLELossless),
    ],
)
def test_a_seg_comes_back_voxel_for_voxel(tmp_path, phantom, images, kind, syntax):
    write_seg(tmp_path / "seg.dcm", images, coded(phantom), kind, syntax=syntax)
    found = read(tmp_path / "seg.dcm", volume_of(phantom))
    np.testing.assert_array_equal(to_pleura(found.array, NAMED), phantom.labels)
    assert found.geometry is phantom.geometry or found.geometry.matches(phantom.geometry)
    assert found.airways and found.notes == ()


def test_frames_whose_bits_share_bytes(tmp_path):
    """61 x 59 pixels end within a byte, where the next frame begins."""
    phantom = small_chest()
    hu, labels = phantom.hu[:, 1:62, 2:61], phantom.labels[:, 1:62, 2:61]
    geometry = Geometry.from_parts(hu.shape, phantom.geometry.spacing_zyx_mm)
    write_series(tmp_path / "ct", hu, geometry)
    segments = [Segment(name, labels == number) for name, number in SIDES]
    write_seg(tmp_path / "seg.dcm", images_of(tmp_path / "ct"), segments)
    found = read(tmp_path / "seg.dcm", Volume(hu, geometry))
    np.testing.assert_array_equal(found.array, labels * (labels < 3))
    assert not found.airways


def test_a_seg_of_some_slices_in_any_order_on_an_oblique_sheared_scan(tmp_path, phantom):
    affine = phantom.geometry.affine.copy()
    turn = np.deg2rad(20)
    affine[:3, :3] = [
        [np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0.1], [0, 0, 1],
    ] @ affine[:3, :3]  # fmt: skip
    geometry = Geometry(phantom.geometry.shape_zyx, affine)
    write_series(tmp_path / "ct", phantom.hu, geometry)
    some = [4, 2, 3]
    segments = [Segment(name, (phantom.labels == number)[some]) for name, number in SIDES]
    images = images_of(tmp_path / "ct")
    write_seg(tmp_path / "seg.dcm", [images[k] for k in some], segments)
    found = read(tmp_path / "seg.dcm", Volume(phantom.hu, geometry))
    expected = np.zeros_like(phantom.labels)
    expected[some] = phantom.labels[some] * (phantom.labels[some] < 3)
    np.testing.assert_array_equal(found.array, expected)


def test_a_seg_finds_its_place_on_a_flipped_grid(tmp_path, phantom, images):
    write_seg(tmp_path / "seg.dcm", images, coded(phantom))
    flips = (True, False, True)
    geometry = phantom.geometry.transposed((0, 1, 2), flips)
    volume = Volume(np.ascontiguousarray(phantom.hu[::-1, :, ::-1]), geometry)
    found = read(tmp_path / "seg.dcm", volume)
    np.testing.assert_array_equal(found.array, phantom.labels[::-1, :, ::-1])


def test_a_seg_on_another_grid_or_beyond_the_scan_is_refused(tmp_path, phantom, images):
    path = tmp_path / "seg.dcm"
    write_seg(path, images, coded(phantom))
    moved = phantom.geometry.affine.copy()
    moved[0, 3] += 0.5 * moved[0, 0]
    with pytest.raises(GeometryError, match="another grid than the scan"):
        read(path, Volume(phantom.hu, Geometry(phantom.geometry.shape_zyx, moved)))
    finer = phantom.geometry.affine.copy()
    finer[0, 0] *= 0.99
    with pytest.raises(GeometryError, match="another grid than the scan"):
        read(path, Volume(phantom.hu, Geometry(phantom.geometry.shape_zyx, finer)))
    short = Geometry((4, 64, 64), phantom.geometry.affine)
    with pytest.raises(GeometryError, match="outside the scan"):
        read(path, Volume(phantom.hu[:4], short))


def test_a_seg_rounded_to_tenths_of_a_millimetre_is_accepted(tmp_path, phantom, images):
    write_seg(tmp_path / "seg.dcm", images, coded(phantom))
    moved = phantom.geometry.affine.copy()
    moved[:3, 3] += 0.1
    volume = Volume(phantom.hu, Geometry(phantom.geometry.shape_zyx, moved))
    np.testing.assert_array_equal(read(tmp_path / "seg.dcm", volume).array, phantom.labels)


def test_what_a_seg_holds(tmp_path, phantom, images):
    mask = phantom.labels == 1
    segments = [
        Segment("Tumour", mask, NEOPLASM, "right", LUNG),
        Segment("lung nodule", mask),
        Segment("Links", mask, region=LUNG, side="left"),
        Segment("Left lung", mask, LUNG, "right"),
        Segment("Lungs", mask, LUNG),
        Segment("Right lung", mask, LUNG),
    ]
    write_seg(tmp_path / "seg.dcm", images, segments)
    found = describe(tmp_path / "seg.dcm")
    assert found.structures == {"left": (3,), "lungs": (5,), "right": (6,)}
    assert found.others == ("Tumour", "lung nodule", "Left lung (its name and its code disagree)")


def test_segments_that_overlap_are_said(tmp_path, phantom, images):
    right, left = phantom.labels == 1, phantom.labels == 2
    both = right.copy()
    both[2] |= left[2]
    write_seg(tmp_path / "seg.dcm", images, [Segment("Lung R", both), Segment("Lung L", left)])
    found = read(tmp_path / "seg.dcm", volume_of(phantom))
    np.testing.assert_array_equal(found.array == 2, left)
    assert found.notes == (f"{left[2].sum()} voxels drawn as right and as left lung became left",)


def test_a_seg_without_a_voxel_of_lung(tmp_path, phantom, images):
    empty = np.zeros_like(phantom.labels)
    segments = [Segment("Lungs", empty), Segment("Trachea", phantom.labels == 3)]
    write_seg(tmp_path / "seg.dcm", images, segments)
    with pytest.raises(InputError, match="no voxel of lung"):
        read(tmp_path / "seg.dcm", volume_of(phantom))


def test_a_seg_that_is_cut_off_gives_one_sentence(tmp_path, phantom, images):
    path = tmp_path / "seg.dcm"
    write_seg(path, images, coded(phantom))
    masks = DicomMasks((describe(path),))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 700])
    with pytest.raises(UnreadableError, match=r"seg\.dcm' is cut off; export it again"):
        masks.read(volume_of(phantom))


def test_an_rtstruct_along_the_pixels_edges_comes_back_voxel_for_voxel(tmp_path, phantom, images):
    write_rtstruct(tmp_path / "rt.dcm", images, contours(phantom))
    found = read(tmp_path / "rt.dcm", volume_of(phantom))
    np.testing.assert_array_equal(found.array, phantom.labels)
    assert found.airways and found.notes == ()


def test_an_inner_contour_makes_a_hole(tmp_path, phantom, images):
    lungs = np.isin(phantom.labels, (1, 2))
    lungs[2:4, 30:34, 18:22] = False
    assert np.isin(phantom.labels, (1, 2))[2:4, 30:34, 18:22].all()
    rois = {"Lungs-Total": outlines(lungs, phantom.geometry)}
    write_rtstruct(tmp_path / "rt.dcm", images, rois)
    found = read(tmp_path / "rt.dcm", volume_of(phantom))
    np.testing.assert_array_equal(found.array, 4 * lungs)
    assert found.scheme.lungs == (4,) and not found.airways


def test_smooth_contours_agree_with_the_shape_they_outline(tmp_path):
    shape, spacing = (4, 96, 96), (5.0, 2.0, 2.0)
    geometry = Geometry.from_parts(shape, spacing, (-95.0, -95.0, 0.0))
    hu = np.full(shape, -1000, dtype=np.int16)
    hu[:, 20:70, 20:70] = 40
    write_series(tmp_path / "ct", hu, geometry)
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    rois = {}
    y, x = np.mgrid[:96, :96] * 2.0 - 95.0
    expected = np.zeros(shape[1:], dtype=np.uint8)
    for number, (name, centre) in enumerate({"R Lung": -45.0, "L Lung": 45.0}.items(), 1):
        ring = np.column_stack([centre + 31.3 * np.cos(angle), 5 + 52.7 * np.sin(angle)])
        rois[name] = [np.column_stack([ring, np.full(len(ring), 5.0 * k)]) for k in range(4)]
        expected[((x - centre) / 31.3) ** 2 + ((y - 5) / 52.7) ** 2 <= 1] = number
    write_rtstruct(tmp_path / "rt.dcm", images_of(tmp_path / "ct"), rois)
    found = read(tmp_path / "rt.dcm", Volume(hu, geometry)).array
    for number in (1, 2):
        inside, drawn = expected[None] == number, found == number
        dice = 2 * (inside & drawn).sum() / (4 * inside.sum() + drawn.sum())
        assert dice >= 0.995


def test_an_rtstruct_on_a_tilted_scan(tmp_path, phantom):
    affine = phantom.geometry.affine.copy()
    affine[1, 2] = 4.0  # a tilted gantry moves each slice to the back
    geometry = Geometry(phantom.geometry.shape_zyx, affine)
    write_series(tmp_path / "ct", phantom.hu, geometry)
    rois = {"Lungs": outlines(np.isin(phantom.labels, (1, 2)), geometry)}
    write_rtstruct(tmp_path / "rt.dcm", images_of(tmp_path / "ct"), rois)
    found = read(tmp_path / "rt.dcm", Volume(phantom.hu, geometry))
    np.testing.assert_array_equal(found.array > 0, np.isin(phantom.labels, (1, 2)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: p + np.outer(p[:, 0] * 0.2, [0, 0, 1]), "oblique to the scan's slices"),
        (lambda p: p + np.array([0, 0, 0.4 * 45]), "between the scan's slices"),
        (lambda p: p + np.array([0, 0, 10 * 45]), "outside the scan"),
    ],
)
def test_contours_that_dont_lie_on_the_slices_are_refused(
    tmp_path, phantom, images, change, sentence
):
    rois = {"Lungs": [change(points) for points in contours(phantom)["Lung_R"]]}
    write_rtstruct(tmp_path / "rt.dcm", images, rois)
    with pytest.raises(GeometryError, match=sentence):
        read(tmp_path / "rt.dcm", volume_of(phantom))


def test_contours_on_every_other_slice_are_refused(tmp_path, phantom, images):
    first = phantom.geometry.origin_lps_mm[2]
    drawn = contours(phantom)["Lung_R"]
    every_other = [points for points in drawn if round((points[0, 2] - first) / 45) % 2]
    write_rtstruct(tmp_path / "rt.dcm", images, {"Lungs": every_other})
    with pytest.raises(GeometryError, match="skip 2 of 5 slices; interpolate"):
        read(tmp_path / "rt.dcm", volume_of(phantom))


def test_one_file_may_complete_another(tmp_path, phantom, images):
    write_seg(tmp_path / "right.dcm", images, [Segment("Right lung", phantom.labels == 1)])
    rois = {"Lung Left": contours(phantom)["Lung_L"]}
    write_rtstruct(tmp_path / "left.dcm", images, rois)
    masks = DicomMasks((describe(tmp_path / "left.dcm"), describe(tmp_path / "right.dcm")), ("x",))
    found = masks.read(volume_of(phantom))
    np.testing.assert_array_equal(found.array, phantom.labels * (phantom.labels < 3))
    assert found.notes == ("x",)


def test_a_contour_that_is_there_twice_counts_once(tmp_path, phantom, images):
    rois = contours(phantom)
    rois["Lung_R"] = [*rois["Lung_R"], np.roll(rois["Lung_R"][0][::-1], 2, axis=0)]
    write_rtstruct(tmp_path / "rt.dcm", images, rois)
    found = read(tmp_path / "rt.dcm", volume_of(phantom))
    np.testing.assert_array_equal(found.array, phantom.labels)
    assert found.notes == ("contours of right are there twice and count once on 1 slice",)


def test_a_contour_between_the_pixels_is_said(tmp_path, phantom, images):
    rois = contours(phantom)
    kept, corner = rois["Lung_R"], rois["Lung_R"][-1][:1]
    inside = corner + np.array([[0.1, 0.1, 0.0], [0.3, 0.1, 0.0], [0.2, 0.3, 0.0]])
    rois["Lung_R"] = [p for p in kept if p[0, 2] != corner[0, 2]] + [inside]
    write_rtstruct(tmp_path / "rt.dcm", images, rois)
    found = read(tmp_path / "rt.dcm", volume_of(phantom))
    assert found.notes == ("contours of right hold no pixel on 1 slice",)
