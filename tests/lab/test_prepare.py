"""`prepare_source` on small data sets in every layout, down to the stored pixels."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import jsonschema
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from pleura.errors import GeometryError, OutputError, UsageError
from pleura.lab import prepare
from pleura.lab.label_map import LabelFile, StructureFiles
from pleura.lab.prepare import (
    PrepareOptions,
    load_pair,
    onto_grid,
    prepare_source,
)
from pleura.lab.sources import Pair, Search, find_pairs
from pleura.lab.store import Store, StoreGrid
from pleura.lab.store_writer import StoreWriter
from pleura.labels import CHANNELS
from pleura.record import schema
from pleura.volume import Geometry, nibabel_image, sitk_image
from tests.dicom_phantom import write_series
from tests.lab.small_store import small_chest, turned
from tests.phantom import Phantom, chest

LUNA16 = np.array([0, 4, 3, 5], dtype=np.uint8)  # right, left, trachea in LUNA16's numbers


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
    assert (len(report.scans), report.slices) == (2, 12)
    assert report.left_out == () and report.layout[0] == "images-labels"
    assert report.schemes == {"luna16": 2}
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
    with pytest.raises(UsageError, match="has no scan with labels; a: labels without an image"):
        prepare_source(source, tmp_path / "store", PrepareOptions())
    options = PrepareOptions(more_images=(tmp_path / "dicom",))
    assert len(prepare_source(source, tmp_path / "store", options).scans) == 1
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
    assert len(report.scans) == 2 and report.left_out == () and report.layout[0] == "luna16"
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
    assert report.slices == 3 and "none holds no label." in report.warnings
    assert report.warnings[0].startswith("Lungs that touch are kept without sides in touch:")
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
    reasons = {left.name: left.reason for left in report.left_out}
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
    source = LabelFile(tmp_path / "labelsTr" / name, labels)
    labelled = load_pair(Pair("a", tmp_path / "imagesTr" / name, source))
    assert labelled.channels == channels and labelled.notes == ()
    assert labelled.volume.array.shape == labelled.occupancy.shape[1:]
    for channel, number in enumerate(mapping[1:]):
        expected = (phantom.labels == channel + 1) & (number > 0)
        np.testing.assert_array_equal(labelled.occupancy[channel], expected)
    drawn = phantom.labels * (mapping[phantom.labels] > 0)
    np.testing.assert_array_equal(labelled.mask().array, drawn)


def test_a_mask_without_sides_is_pleura_s_merged_mask(tmp_path, phantom):
    lungs = np.isin(phantom.labels, (1, 2))
    lungs[3, 28:36, 10:54] = True
    save_pair(tmp_path, "a", phantom, lungs.astype(np.uint8) * 255)
    _, found = find_pairs(Search(tmp_path))
    mask = load_pair(found.pairs[0]).mask()
    np.testing.assert_array_equal(mask.array, lungs)
    assert dict(mask.labels) == {1: "lungs"}


def test_sides_the_wrong_way_round_are_noted(tmp_path, phantom):
    """Read by pleura's numbers, labels with left = 1 put the right lung on the left."""
    save_pair(tmp_path / "set", "a", phantom, np.array([0, 2, 1, 3], np.uint8)[phantom.labels])
    report = prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())
    assert "is the label scheme right?" in report.scans[0].notes[0]
    assert "There are remarks about a in report.json." in report.warnings


ONLY_RIGHT = (
    "Only label 1 in all 2 scans: read as right lungs; if it is both lungs, prepare again with "
    "--labels merged."
)


def test_masks_of_both_lungs_as_1_are_doubted(tmp_path, phantom):
    lungs = np.isin(phantom.labels, (1, 2)).astype(np.uint8)
    for name, labels in (("a", lungs), ("b", lungs), ("none", lungs * 0)):
        save_pair(tmp_path / "set", name, phantom, labels)
    report = prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())
    assert report.warnings[0] == ONLY_RIGHT and f"Warning: {ONLY_RIGHT}" in report.summary()
    assert ONLY_RIGHT in json.loads((tmp_path / "store/set/report.json").read_text())["warnings"]
    for scheme in ("merged", "pleura"):  # the user has said it
        options = PrepareOptions(labels=scheme)
        report = prepare_source(tmp_path / "set", tmp_path / "store", options)
        assert not report.urgent and not any("Only label" in said for said in report.warnings)
    save_pair(tmp_path / "set", "c", phantom, np.array([0, 1, 2, 0], np.uint8)[phantom.labels])
    report = prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())
    assert not report.urgent


def test_the_doubt_names_the_scans_and_the_airways(tmp_path, phantom):
    source = tmp_path / "set"
    save_pair(source, "a", phantom, np.array([0, 1, 1, 3], np.uint8)[phantom.labels])
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert report.urgent[0].startswith("No label 2 in a: 1 was read as right lungs and 3 as airw")
    assert "remove 3 and prepare again with --labels merged" in report.urgent[0]


def test_scans_without_labels_are_counted_and_follow_no_scheme(tmp_path, phantom):
    source = tmp_path / "set"
    save_pair(source, "a", phantom)
    save_pair(source, "b", phantom, phantom.labels * 0)
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert "b holds no label." in report.warnings
    assert not any("several schemes" in sentence for sentence in report.warnings)
    assert "labels as luna16.\n" in report.summary()
    save_pair(source, "c", phantom, phantom.labels * 0)
    save_pair(source, "d", phantom, phantom.labels)
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert "2 scans (b, c) hold no label." in report.warnings
    assert any("several schemes (luna16, pleura)" in sentence for sentence in report.warnings)


def test_errors_about_numbers_name_this_command_s_option(tmp_path, phantom):
    save_pair(tmp_path / "set", "a", phantom, phantom.labels * 7)
    with pytest.raises(UsageError, match=r"by --labels\.$"):
        prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())


def test_totalsegmentator_s_lobes_become_sides(tmp_path, phantom):
    right, left = phantom.labels == 1, phantom.labels == 2
    above = np.arange(6)[:, None, None] >= 3
    masks = {
        "lung_upper_lobe_right": right & above, "lung_middle_lobe_right": right & False,
        "lung_lower_lobe_right": right & ~above, "lung_upper_lobe_left": left & above,
        "lung_lower_lobe_left": left & ~above, "trachea": phantom.labels == 3,
        "heart": phantom.labels == 0,
    }  # fmt: skip
    for name, empty in (("s0001", False), ("s0002", True)):
        folder = tmp_path / "set" / name
        save_nifti(folder / "ct.nii.gz", phantom.hu, phantom.geometry)
        for organ, mask in masks.items():
            array = (mask & (not empty or organ == "heart")).astype(np.uint8)
            save_nifti(folder / "segmentations" / f"{organ}.nii.gz", array, phantom.geometry)
    report = prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())
    store = Store(tmp_path / "store")
    assert [scan.name for scan in store.scans] == ["s0001"]
    assert store.scans[0].channels == CHANNELS
    assert_stored(store, store.scans[0], phantom)
    assert report.scans[0].notes == ("lung_middle_lobe_right is empty",)
    assert [left.name for left in report.left_out] == ["s0002"]
    assert "no voxel of lung" in report.left_out[0].reason


def test_organ_masks_on_different_grids(tmp_path, phantom):
    moved = phantom.geometry.affine.copy()
    moved[0, 3] += 1
    other = Geometry(phantom.geometry.shape_zyx, moved)
    files = {}
    for name, geometry in (("right", phantom.geometry), ("left", other)):
        files[name] = tmp_path / f"{name}.nii.gz"
        save_nifti(files[name], (phantom.labels == 1).astype(np.uint8), geometry)
    with pytest.raises(GeometryError, match="lie on different grids"):
        StructureFiles(tmp_path, files).read(None)


def test_covid_19_ct_seg_with_its_pictures_left_out(tmp_path, phantom):
    source = tmp_path / "covid"
    covid = np.array([0, 2, 1, 0], dtype=np.uint8)[phantom.labels]  # 1 left, 2 right
    infected = covid.copy()
    infected[2:4][infected[2:4] > 0] = 3
    picture = np.clip((phantom.hu + 1250) / 6, 0, 255).astype(np.uint8)
    for name, image in (("coronacases_001", phantom.hu), ("radiopaedia_4_85506_1", picture)):
        save_nifti(source / "COVID-19-CT-Seg_20cases" / f"{name}.nii.gz", image, phantom.geometry)
        save_nifti(source / "Lung_Mask" / f"{name}.nii.gz", covid, phantom.geometry)
        both = source / "Lung_and_Infection_Mask" / f"{name}.nii.gz"
        save_nifti(both, infected, phantom.geometry)
    for folder in ("Lung_Mask", "Lung_and_Infection_Mask"):
        report = prepare_source(source, tmp_path / folder, PrepareOptions())
        assert report.layout[0] == "covid-19-ct-seg"
        assert [left.name for left in report.left_out] == ["radiopaedia_4_85506_1"]
        assert "an 8-bit picture" in report.left_out[0].reason
        assert report.scans[0].scan.channels == ("right", "left") and report.scans[0].notes == ()
        _, found = find_pairs(Search(source))
        mask = load_pair(found.pairs[0]).mask()
        np.testing.assert_array_equal(mask.array, phantom.labels * (phantom.labels < 3))
        shutil.rmtree(source / "Lung_Mask", ignore_errors=True)


def test_scans_of_one_patient_share_a_role(tmp_path, phantom):
    source = tmp_path / "set"
    for name in ("scan-0", "scan-2", "scan-6"):  # by hash: validation, train, test
        save_pair(source, name, phantom)
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert report.roles == {"train": 1, "validation": 1, "test": 1}
    assert any("a patient of its own" in sentence for sentence in report.warnings)
    patients = tmp_path / "patients.csv"
    patients.write_text("name,patient\nscan-0,scan-6\nscan-2,scan-2\nscan-6,scan-6\ngone,x\n")
    report = prepare_source(source, tmp_path / "store", PrepareOptions(patients=patients))
    assert report.roles == {"train": 1, "test": 2}
    assert [scan.patient for scan in Store(tmp_path / "store").scans] == [
        "scan-6", "scan-2", "scan-6",
    ]  # fmt: skip
    assert report.warnings == (f"{patients} has 1 name of scans that aren't here, such as gone.",)
    patients.write_text("name,patient\nscan-0,scan-6\n")
    with pytest.raises(UsageError, match="no row for 'scan-2' and 1 more; add one for every"):
        prepare_source(source, tmp_path / "store", PrepareOptions(patients=patients))
    with pytest.raises(UsageError, match="leave --patients out"):
        options = PrepareOptions(patients=patients, split=patients)
        prepare_source(source, tmp_path / "store", options)


def test_the_report_lies_in_the_store_and_follows_its_schema(tmp_path, phantom):
    source = tmp_path / "set"
    save_pair(source, "a", phantom)
    save_pair(source, "b", phantom)
    (source / "imagesTr" / "b.nii.gz").write_bytes(b"garbage")
    report = prepare_source(source, tmp_path / "store", PrepareOptions(labels="luna16"))
    record = json.loads((tmp_path / "store" / "set" / "report.json").read_text())
    assert record == report.record()
    jsonschema.validate(record, schema("prepare"))
    assert record["scans"] == [
        {"name": "a", "patient": "a", "role": report.scans[0].scan.role, "channels": list(CHANNELS),
         "slices": 6, "labels": "luna16", "notes": []}
    ]  # fmt: skip
    assert [entry["name"] for entry in record["left_out"]] == ["b"]
    assert Store(tmp_path / "store").scans[0].name == "a"


def test_whatever_happens_to_one_scan_the_others_are_prepared(tmp_path, phantom, monkeypatch):
    source = tmp_path / "set"
    for name in ("a", "b", "c", "d"):
        save_pair(source, name, phantom)
    trouble = {
        "a": MemoryError(),
        "b": PermissionError(13, "Permission denied"),
        "c": KeyError("x"),
    }
    whole = prepare.load_pair

    def failing(pair, sides):
        if pair.name in trouble:
            raise trouble[pair.name]
        return whole(pair, sides)

    monkeypatch.setattr(prepare, "load_pair", failing)
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert [prepared.scan.name for prepared in report.scans] == ["d"]
    reasons = {left.name: left.reason for left in report.left_out}
    assert "not enough memory" in reasons["a"] and "Permission denied" in reasons["b"]
    assert "KeyError" in reasons["c"]


def test_an_unknown_scheme_is_refused_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="Unknown label scheme 'lungs'"):
        prepare_source(tmp_path / "none", tmp_path / "store", PrepareOptions(labels="lungs"))


def test_a_scan_that_the_store_stumbles_over_is_left_out(tmp_path, phantom, monkeypatch):
    source = tmp_path / "set"
    for name in ("a", "b", "c"):
        save_pair(source, name, phantom)
    whole, trouble = StoreWriter._append, {"b": RuntimeError("no body")}

    def failing(writer, volume, occupancy, channels, who):
        if who[0] in trouble:
            raise trouble[who[0]]
        return whole(writer, volume, occupancy, channels, who)

    monkeypatch.setattr(StoreWriter, "_append", failing)
    report = prepare_source(source, tmp_path / "store", PrepareOptions())
    assert [scan.name for scan in Store(tmp_path / "store").scans] == ["a", "c"]
    assert [left.name for left in report.left_out] == ["b"]
    assert "no body" in report.left_out[0].reason
    trouble["b"] = OutputError("The disk is full.")
    with pytest.raises(OutputError, match="The disk is full"):
        prepare_source(source, tmp_path / "store", PrepareOptions())


def test_a_patient_of_another_role_in_another_set_is_said(tmp_path, phantom):
    split = tmp_path / "split.csv"
    rows = {"one": ["a,P1,train", "b,P2,train", "c,P3,train"],
            "two": ["a,P1,test", "b,P2,validation", "c,P4,train"],
            "three": ["a,P3,train", "b,P9,test"]}  # fmt: skip
    for name, lines in rows.items():
        for line in lines:
            save_pair(tmp_path / name, line[0], phantom)
        split.write_text("set,name,patient,role\n" + "".join(f"{name},{line}\n" for line in lines))
        options = PrepareOptions(split=split)
        report = prepare_source(tmp_path / name, tmp_path / "store", options)
        said = [sentence for sentence in report.warnings if "another role" in sentence]
        assert said == [
            "2 patients of this set have another role in the set 'one', such as P1 (test here, "
            "train there); unless the names only coincide, give both sets one --split file."
        ] * (name == "two")
    (tmp_path / "store" / "two" / "index.json").write_text("damaged")
    report = prepare_source(tmp_path / "three", tmp_path / "store", options)
    assert report.warnings == ()


def test_the_covid_numbers_may_be_named_in_any_layout(tmp_path, phantom):
    save_pair(tmp_path / "set", "a", phantom, np.array([0, 2, 1, 0], np.uint8)[phantom.labels])
    options = PrepareOptions(labels="covid-19-ct-seg")
    report = prepare_source(tmp_path / "set", tmp_path / "store", options)
    assert report.schemes == {"covid-19-ct-seg": 1} and report.scans[0].notes == ()
