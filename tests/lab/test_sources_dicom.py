"""Which SEG or RTSTRUCT belongs to which CT series: by what it refers to."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest

from pleura.errors import UsageError
from pleura.lab.prepare import PrepareOptions, load_pair, prepare_source
from pleura.lab.sources import Search, find_pairs
from tests.dicom_masks import LUNG, Segment, images_of, outlines, write_rtstruct, write_seg
from tests.dicom_phantom import write_series
from tests.lab.small_store import small_chest
from tests.scans import save


@pytest.fixture
def phantom():
    return small_chest()


@pytest.fixture
def ct(tmp_path, phantom):
    """Two patients' series, and their slices: name -> datasets."""
    for name in ("one", "two"):
        write_series(tmp_path / "set" / name / "ct", phantom.hu, phantom.geometry)
    return {name: images_of(tmp_path / "set" / name / "ct") for name in ("one", "two")}


def sides(phantom):
    return [
        Segment("Right lung", phantom.labels == 1),
        Segment("Left lung", phantom.labels == 2),
    ]


def rois(phantom, **names):
    return {
        name: outlines(np.isin(phantom.labels, numbers), phantom.geometry)
        for name, numbers in names.items()
    }


def search(tmp_path, *more):
    _, found = find_pairs(Search(tmp_path / "set", more))
    return found, {left.name: left.reason for left in found.left_out}


def test_masks_belong_to_the_series_they_name_wherever_they_lie(tmp_path, phantom, ct):
    """Each lies in the other patient's folder."""
    write_seg(tmp_path / "set" / "two" / "seg.dcm", ct["one"], sides(phantom))
    write_rtstruct(tmp_path / "set" / "one" / "rt.dcm", ct["two"], rois(phantom, Lungs=(1, 2)))
    known, found = find_pairs(Search(tmp_path / "set"))
    assert known.name == "dicom" and found.left_out == ()
    pairs = {pair.name: pair for pair in found.pairs}
    one, two = (pairs[ct[name][0].SeriesInstanceUID] for name in ("one", "two"))
    assert one.labels.objects[0].path.name == "seg.dcm"
    assert two.labels.objects[0].path.name == "rt.dcm"
    assert one.patient == ct["one"][0].StudyInstanceUID != two.patient
    labelled = load_pair(one)
    assert labelled.channels == ("right", "left") and labelled.scheme == "named"
    np.testing.assert_array_equal(labelled.volume.array, phantom.hu)
    np.testing.assert_array_equal(labelled.occupancy[0], phantom.labels == 1)
    labelled = load_pair(two)  # sides come from the geometry
    np.testing.assert_array_equal(labelled.mask().array, phantom.labels * (phantom.labels < 3))


@pytest.mark.parametrize("reference", ["series", "instances", "frame"])
def test_an_rtstruct_is_matched_by_what_it_refers_to(tmp_path, phantom, ct, reference):
    write_rtstruct(tmp_path / "rt.dcm", ct["two"], rois(phantom, Lungs=(1, 2)), reference=reference)
    shutil.move(tmp_path / "rt.dcm", tmp_path / "set" / "one" / "rt.dcm")
    found, left_out = search(tmp_path)
    assert [pair.name for pair in found.pairs] == [ct["two"][0].SeriesInstanceUID]
    assert left_out == {
        ct["one"][0].SeriesInstanceUID: "a CT series without a mask that can be used"
    }


def test_a_seg_that_names_no_series_is_matched_by_its_frames_images(tmp_path, phantom, ct):
    without = {"ReferencedSeriesSequence": None}
    write_seg(tmp_path / "set" / "seg.dcm", ct["two"], sides(phantom), overrides=without)
    found, _ = search(tmp_path)
    assert [pair.name for pair in found.pairs] == [ct["two"][0].SeriesInstanceUID]


def test_the_ct_may_lie_elsewhere(tmp_path, phantom, ct):
    write_seg(tmp_path / "masks" / "seg.dcm", ct["one"], sides(phantom))
    _, found = find_pairs(Search(tmp_path / "masks", (tmp_path / "set" / "one",)))
    assert [pair.name for pair in found.pairs] == [ct["one"][0].SeriesInstanceUID]


def test_what_cannot_be_matched_is_said(tmp_path, phantom, ct):
    root = tmp_path / "set"
    write_seg(root / "masks" / "good.dcm", ct["one"], sides(phantom))
    write_series(tmp_path / "away", phantom.hu, phantom.geometry)
    write_seg(root / "a" / "away.dcm", images_of(tmp_path / "away"), sides(phantom))
    write_rtstruct(root / "heart.dcm", ct["two"], {"Heart": [], "GTV": []})
    frame = ct["one"][0].FrameOfReferenceUID
    write_series(
        root / "three", phantom.hu, phantom.geometry, overrides={"FrameOfReferenceUID": frame}
    )
    strangers = images_of(root / "three")
    for k, ds in enumerate(strangers):
        ds.SOPInstanceUID = f"1.2.{k}"
    path = root / "shared.dcm"
    write_rtstruct(path, strangers, rois(phantom, Lungs=(1, 2)), reference="frame")
    (root / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    found, left_out = search(tmp_path)
    assert [pair.name for pair in found.pairs] == [ct["one"][0].SeriesInstanceUID]
    assert left_out["a/away.dcm"] == "the CT it was drawn on isn't here"
    assert left_out["heart.dcm"] == "no lung among what it holds (Heart, GTV)"
    assert left_out["shared.dcm"].startswith("it fits several CT series (")
    assert left_out["broken.dcm"] == "its header can't be read"
    assert left_out[strangers[0].SeriesInstanceUID].startswith("a CT series without a mask")


def test_series_and_slices_that_contradict_each_other(tmp_path, phantom, ct):
    mixed = list(ct["two"])
    for ds in mixed:
        ds.SeriesInstanceUID = ct["one"][0].SeriesInstanceUID
    write_rtstruct(tmp_path / "set" / "rt.dcm", mixed, rois(phantom, Lungs=(1, 2)))
    write_seg(tmp_path / "set" / "seg.dcm", ct["one"], sides(phantom))
    _, left_out = search(tmp_path)
    assert left_out["rt.dcm"].startswith(f"it names series {ct['one'][0].SeriesInstanceUID}, but")


def test_of_several_masks_the_fullest_is_taken_and_the_others_are_said(tmp_path, phantom, ct):
    root, one = tmp_path / "set", ct["one"]
    write_rtstruct(root / "a.dcm", one, rois(phantom, Lung_R=1, Lung_L=2))
    write_seg(root / "b.dcm", one, [Segment("Lungs", phantom.labels == 1, LUNG)])
    write_seg(root / "c.dcm", one, [*sides(phantom), Segment("Heart", phantom.labels == 0)])
    write_rtstruct(root / "d.dcm", one, rois(phantom, Trachea=3))
    found, left_out = search(tmp_path)
    labels = found.pairs[0].labels
    assert [mask.path.name for mask in labels.objects] == ["c.dcm", "d.dcm"]
    assert labels.notes == ("not used: Heart",)
    uid = one[0].SeriesInstanceUID
    assert left_out["a.dcm"] == left_out["b.dcm"] == f"c.dcm was taken for {uid}"
    np.testing.assert_array_equal(load_pair(found.pairs[0]).mask().array, phantom.labels)


def test_one_lung_alone_is_left_out(tmp_path, phantom, ct):
    write_seg(tmp_path / "set" / "one.dcm", ct["one"], sides(phantom))
    write_seg(tmp_path / "set" / "two.dcm", ct["two"], sides(phantom)[:1])
    _, left_out = search(tmp_path)
    assert left_out == {ct["two"][0].SeriesInstanceUID: "no mask of left lung in two.dcm"}


def test_a_tree_without_masks_and_options_that_mean_nothing(tmp_path, ct, phantom):
    with pytest.raises(UsageError, match="has no DICOM SEG and no RTSTRUCT"):
        find_pairs(Search(tmp_path / "set"))
    with pytest.raises(UsageError, match="--labels doesn't go with DICOM"):
        find_pairs(Search(tmp_path / "set", labels="luna16"))
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty" / "a.nii.gz", phantom.hu, phantom.geometry)
    with pytest.raises(UsageError, match="no known layout"):
        find_pairs(Search(tmp_path / "empty"))


@pytest.fixture
def studies(tmp_path, phantom):
    """Writes a study for each PatientID, with its lungs; gives the StudyInstanceUIDs."""

    def write(*patient_ids):
        written = []
        for number, patient in enumerate(patient_ids):
            folder = tmp_path / "set" / f"study{number}"
            ids = {"PatientID": patient}
            write_series(folder / "ct", phantom.hu, phantom.geometry, overrides=ids)
            images = images_of(folder / "ct")
            write_rtstruct(folder / "rt.dcm", images, rois(phantom, Lungs=(1, 2)))
            written.append(images[0].StudyInstanceUID)
        return written

    return write


def patients_in(tmp_path):
    """StudyInstanceUID -> patient, and what is said about the patients."""
    found, _ = search(tmp_path)
    return {pair.series.study: pair.patient for pair in found.pairs}, " ".join(found.about_patients)


def test_the_studies_of_one_patient_are_one_patient(tmp_path, studies):
    first, second, third = studies("SECRET-7", "OTHER", " SECRET-7")
    patients, said = patients_in(tmp_path)
    assert patients[first] == patients[third] == hashlib.sha256(b"SECRET-7").hexdigest()[:12]
    assert patients[second] == hashlib.sha256(b"OTHER").hexdigest()[:12]
    assert said == ""
    report = prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())
    assert report.record()["patients"] == 2
    assert "a patient of its own" not in " ".join(report.warnings)
    written = b"".join(p.read_bytes() for p in (tmp_path / "store").rglob("*.json"))
    assert b"SECRET" not in written and b"OTHER" not in written


def test_one_patient_id_for_all_studies_tells_nothing(tmp_path, studies):
    uids = studies("ANON", "ANON")
    patients, said = patients_in(tmp_path)
    assert patients == {uid: uid for uid in uids}
    assert said.startswith(
        "All 2 DICOM studies have one PatientID, as anonymised ones may, so each"
    )
    report = prepare_source(tmp_path / "set", tmp_path / "store", PrepareOptions())
    assert said in report.warnings
    table = tmp_path / "patients.csv"
    names = [pair.name for pair in search(tmp_path)[0].pairs]
    table.write_text("name,patient\n" + "".join(f"{name},P\n" for name in names))
    options = PrepareOptions(patients=table)
    assert prepare_source(tmp_path / "set", tmp_path / "store", options).warnings == ()


def test_a_study_without_patient_id_is_a_patient(tmp_path, studies):
    known, unknown = studies("A", "")
    patients, said = patients_in(tmp_path)
    assert patients[unknown] == unknown and patients[known] != known
    assert said.startswith("1 of 2 DICOM studies lack a PatientID, so each of them counts")


def test_a_single_study_is_told_by_its_patient_id(tmp_path, studies):
    (uid,) = studies("A")
    patients, said = patients_in(tmp_path)
    assert patients[uid] != uid and said == ""
