"""`prepare_source` on small data sets in every layout, down to the stored pixels."""

from __future__ import annotations

from collections import Counter

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from pleura.errors import GeometryError, UsageError
from pleura.lab.prepare import (
    PrepareOptions,
    load_pair,
    onto_grid,
    prepare_source,
    sides_from_geometry,
)
from pleura.lab.sources import Pair
from pleura.lab.store import Store, StoreGrid
from pleura.labels import CHANNELS
from pleura.volume import Geometry, Volume, nibabel_image, sitk_image
from tests.dicom_phantom import write_series
from tests.lab.small_store import small_chest
from tests.phantom import Phantom, chest

LUNA16 = np.array([0, 4, 3, 5], dtype=np.uint8)  # right, left, trachea in LUNA16's numbers
TURN = (1, 2, 0), (True, False, True)


@pytest.fixture
def phantom():
    return small_chest()


def save_nifti(path, array, geometry):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel_image(np.ascontiguousarray(array), geometry), path)


def save_pair(source, name, phantom, labels=None, geometry=None):
    """An image and its labels (default LUNA16's numbers on the image's grid)."""
    labels = LUNA16[phantom.labels] if labels is None else labels
    save_nifti(source / "imagesTr" / f"{name}.nii.gz", phantom.hu, phantom.geometry)
    save_nifti(source / "labelsTr" / f"{name}.nii.gz", labels, geometry or phantom.geometry)


def turned(array, geometry):
    """The same in space, with other axes."""
    axes, flips = TURN
    flipped = tuple(axis for axis, flip in enumerate(flips) if flip)
    return np.flip(array.transpose(axes), flipped), geometry.transposed(axes, flips)


def assert_stored(store, scan, phantom: Phantom):
    """The scan's targets are the phantom's structures, sides and slices where they belong."""
    targets = store.targets(scan).astype(float) / 255
    pixel = scan.spacing_mm[1] * scan.spacing_mm[2]
    _, y, x = phantom.geometry.spacing_zyx_mm
    for channel in range(3):
        expected = (phantom.labels == channel + 1).sum(axis=(1, 2)) * y * x
        found = targets[:, channel].sum(axis=(1, 2)) * pixel
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=20)
    columns = np.arange(targets.shape[3])
    right, left = (np.average(columns, weights=targets[:, c].sum(axis=(0, 1))) for c in (0, 1))
    assert right < targets.shape[3] / 2 < left
    lungs = (targets[:, :2] == 1).any(axis=1)
    assert np.median(store.images(scan)[lungs]) == pytest.approx(-830, abs=20)


def test_images_and_labels_with_luna16_numbers(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "a", phantom)
    save_pair(source, "b", small_chest(1))
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert (report.scans, report.slices) == (2, 12)
    assert report.without_sides == report.left_out == ()
    store = Store(tmp_path / "store")
    assert [(s.name, s.patient, s.source, s.channels) for s in store.scans] == [
        ("a", "a", "volumes", CHANNELS),
        ("b", "b", "volumes", CHANNELS),
    ]
    assert report.roles == Counter(scan.role for scan in store.scans)
    for scan in store.scans:
        assert_stored(store, scan, phantom)


def test_an_image_may_be_a_dicom_folder_elsewhere(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "a", phantom)
    (source / "imagesTr" / "a.nii.gz").unlink()
    write_series(tmp_path / "dicom" / "a", phantom.hu, phantom.geometry)
    with pytest.raises(UsageError, match="no image whose name is that of a label file"):
        prepare_source(source, tmp_path / "store", PrepareOptions())
    options = PrepareOptions(more_images=(tmp_path / "dicom",))
    assert prepare_source(source, tmp_path / "store", options).scans == 1
    store = Store(tmp_path / "store")
    assert_stored(store, store.scans[0], phantom)


def test_luna16_s_own_layout(tmp_path, phantom):
    source = tmp_path / "LUNA16"
    for number, name in enumerate(("1.3.6.1", "1.3.6.2")):
        image = source / f"subset{number}" / f"{name}.mhd"
        mask = source / "seg-lungs-LUNA16" / f"{name}.mhd"
        for path, array in ((image, phantom.hu), (mask, LUNA16[phantom.labels])):
            path.parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk_image(array, phantom.geometry), path, useCompression=path == mask)
        assert image.with_suffix(".raw").exists() and mask.with_suffix(".zraw").exists()
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert report.scans == 2 and report.left_out == ()
    store = Store(tmp_path / "store")
    for scan in store.scans:
        assert_stored(store, scan, phantom)


def test_pictures_with_and_without_sides(tmp_path):
    phantom = chest((4, 96, 96), (80.0, 4.0, 4.0))
    z = 2
    source = tmp_path / "slices"
    lungs = np.isin(phantom.labels[z], (1, 2))
    touching = lungs.copy()
    touching[44:48] |= (np.abs(np.arange(96) - 48) < 20)[None, :]
    for name, mask in (("apart", lungs), ("touch", touching), ("none", np.zeros_like(lungs))):
        for folder in ("images", "masks"):
            (source / folder).mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(phantom.hu[z]), source / "images" / f"{name}.tif")
        Image.fromarray(mask.astype(np.uint8) * 255).save(source / "masks" / f"{name}.png")
    report = prepare_source(source, tmp_path / "store", PrepareOptions(labels="merged"))
    assert report.without_sides == ("touch",) and report.slices == 3
    store = Store(tmp_path / "store")
    apart, none, touch = store.scans
    assert apart.channels == none.channels == ("right", "left")
    assert touch.channels == ("lungs",)
    targets = store.targets(apart)[0] / 255.0
    assert targets[0].sum() == pytest.approx((phantom.labels[z] == 1).sum(), rel=0.03)
    assert targets[1].sum() == pytest.approx((phantom.labels[z] == 2).sum(), rel=0.03)
    union = store.targets(touch)[0] / 255.0
    assert union[0].sum() == pytest.approx(touching.sum(), rel=0.02)
    assert union[1:].sum() == 0 and store.targets(none).sum() == 0


def test_labels_in_another_axis_order_and_direction(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "a", phantom, *turned(LUNA16[phantom.labels], phantom.geometry))
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert report.left_out == ()
    store = Store(tmp_path / "store")
    assert_stored(store, store.scans[0], phantom)


def test_onto_grid_moves_every_voxel_to_its_place():
    geometry = Geometry.from_parts((3, 4, 5), (2.0, 1.0, 1.5), (3.0, -7.0, 11.0))
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    assert onto_grid(array, geometry, geometry, "a") is array
    np.testing.assert_array_equal(onto_grid(*turned(array, geometry), geometry, "a"), array)
    other, other_geometry = turned(array, geometry)
    np.testing.assert_array_equal(onto_grid(array, geometry, other_geometry, "a"), other)
    shifted = Geometry.from_parts((3, 4, 5), (2.0, 1.0, 1.5), (3.0, -7.0, 11.2))
    with pytest.raises(GeometryError, match="labels of a lie on different grids"):
        onto_grid(array, shifted, geometry, "a")


def test_unusable_pairs_are_left_out_with_the_reason(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "good", phantom)
    moved = phantom.geometry.affine.copy()
    moved[2, 3] += 5
    save_pair(source, "moved", phantom, geometry=Geometry(phantom.geometry.shape_zyx, moved))
    save_pair(source, "short", phantom, LUNA16[phantom.labels][:-1],
              Geometry((5, 64, 64), phantom.geometry.affine))  # fmt: skip
    save_pair(source, "garbage", phantom)
    (source / "imagesTr" / "garbage.nii.gz").write_bytes(b"garbage")
    save_pair(source, "mask", phantom)
    (source / "labelsTr" / "mask.nii.gz").write_bytes(b"garbage")
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert [scan.name for scan in Store(tmp_path / "store").scans] == ["good"]
    reasons = dict(sentence.split(": ", 1) for sentence in report.left_out)
    assert set(reasons) == {"moved", "short", "garbage", "mask"}
    assert "different grids" in reasons["moved"]
    assert "(5, 64, 64)" in reasons["short"] and "(6, 64, 64)" in reasons["short"]
    assert "can't be read" in reasons["mask"]


def test_nothing_usable_gives_the_pair_s_reason_and_no_store(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "a", phantom)
    save_nifti(source / "imagesTr" / "unlabelled.nii.gz", phantom.hu, phantom.geometry)
    (source / "imagesTr" / "a.nii.gz").write_bytes(b"garbage")
    with pytest.raises(UsageError, match=r"no usable pair: a: "):
        prepare_source(source, tmp_path / "store", PrepareOptions())
    assert list((tmp_path / "store").iterdir()) == []


def test_roles_come_from_the_split_file(tmp_path, phantom):
    source = tmp_path / "folder"
    for name in ("a", "b", "c"):
        save_pair(source, name, phantom)
    split = tmp_path / "split.csv"
    rows = ["mine,a,P1,train", "mine,b,P2,validation", "mine,c,P3,test", "mine,d,P1,train"]
    split.write_text("set,name,patient,role\n" + "\n".join(rows))
    options = PrepareOptions(split=split, set_name="mine", grid=StoreGrid(long_side=32))
    report = prepare_source(source, tmp_path / "store", options)
    assert report.roles == {"train": 1, "validation": 1, "test": 1}
    store = Store(tmp_path / "store")
    assert [(s.name, s.patient, s.role, s.source) for s in store.scans] == [
        ("a", "P1", "train", "mine"),
        ("b", "P2", "validation", "mine"),
        ("c", "P3", "test", "mine"),
    ]
    assert {max(scan.shape[1:]) for scan in store.scans} == {32}
    split.write_text("set,name,patient,role\n" + "\n".join(rows[:2]))
    with pytest.raises(UsageError, match="no row for 'c'"):
        prepare_source(source, tmp_path / "store", options)
    split.write_text("set,name,patient,role\n" + "\n".join([*rows, "mine,e,P3,train"]))
    with pytest.raises(UsageError, match="a patient has exactly one"):
        prepare_source(source, tmp_path / "store", options)
    assert len(Store(tmp_path / "store").scans) == 3  # the older store is still there


def test_progress_sees_every_pair(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "a", phantom)
    seen = []
    prepare_source(
        source, tmp_path / "store", PrepareOptions(),
        lambda pairs: (seen.append(pair.name) or pair for pair in pairs),
    )  # fmt: skip
    assert seen == ["a"]


def test_surprising_numbers_name_the_file(tmp_path, phantom):
    source = tmp_path / "volumes"
    save_pair(source, "a", phantom, phantom.labels + 6 * (phantom.labels > 0).astype(np.uint8))
    with pytest.raises(UsageError, match=r"a\.nii\.gz: Label values \[7, 8, 9\]"):
        prepare_source(source, tmp_path / "store", PrepareOptions())


@pytest.mark.parametrize(
    ("numbers", "labels", "channels"),
    [
        ([0, 1, 2, 3], None, CHANNELS),
        ([0, 1, 2, 0], None, ("right", "left")),  # no airways: perhaps nobody drew them
        ([0, 1, 2, 0], "pleura", CHANNELS),  # the scheme was named, so there are none here
        ([0, 1, 2, 0], "lungmask", ("right", "left")),
        ([0, 4, 3, 0], "luna16", CHANNELS),
        ([0, 0, 0, 0], None, ("right", "left")),
        ([0, 255, 255, 0], None, ("right", "left")),
        ([0, 12, 10, 16], "totalseg-lobes", CHANNELS),
    ],
)
def test_which_channels_a_file_teaches(tmp_path, phantom, numbers, labels, channels):
    mapping = np.array(numbers, dtype=np.uint8)
    save_pair(tmp_path, "a", phantom, mapping[phantom.labels])
    name = "a.nii.gz"
    pair = Pair("a", tmp_path / "imagesTr" / name, tmp_path / "labelsTr" / name)
    volume, occupancy, found = load_pair(pair, labels)
    assert found == channels
    assert volume.array.shape == occupancy.shape[1:]
    for channel, number in enumerate(mapping[1:]):
        expected = (phantom.labels == channel + 1) & (number > 0)
        np.testing.assert_array_equal(occupancy[channel], expected)


@pytest.mark.parametrize("transform", [lambda a, g: (a, g), turned])
def test_sides_follow_the_patient_not_the_array(phantom, transform):
    hu, geometry = transform(phantom.hu, phantom.geometry)
    labels, _ = transform(phantom.labels, phantom.geometry)
    right, left = sides_from_geometry(np.isin(labels, (1, 2)), Volume(hu, geometry))
    np.testing.assert_array_equal(right, labels == 1)
    np.testing.assert_array_equal(left, labels == 2)


def test_a_lung_may_reach_a_little_across_but_lungs_that_touch_have_no_sides(phantom):
    volume = Volume(phantom.hu, phantom.geometry)
    lungs = np.isin(phantom.labels, (1, 2))
    bridge = lungs.copy()
    bridge[3, 30:32, 20:44] = True
    assert sides_from_geometry(bridge, volume) is None
    tongue = lungs.copy()
    row = np.argwhere(phantom.labels[3] == 1)[:, 0].mean().round().astype(int)
    tongue[3, row, 20:34] = phantom.labels[3, row, 20:34] != 2
    right, _ = sides_from_geometry(tongue & ~(phantom.labels == 2), volume)
    assert (right == (tongue & ~(phantom.labels == 2))).all()
    crumb = lungs.copy()
    crumb[0, 10, 31:33] = True  # on the midline, but too small to matter
    sides = sides_from_geometry(crumb, volume)
    assert sides is not None
    assert ((sides[0] | sides[1]) == crumb).all() and not (sides[0] & sides[1]).any()
