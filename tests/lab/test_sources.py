"""Finding pairs in the layouts that people have."""

from __future__ import annotations

import json

import pytest

from pleura.errors import UsageError
from pleura.lab.label_map import LabelFile, StructureFiles
from pleura.lab.sources import LAYOUTS, Pair, Search, find_pairs
from pleura.lab.structures import LEFT_LOBES, RIGHT_LOBES
from pleura.labels import Scheme


@pytest.fixture
def tree(tmp_path):
    """Makes empty files (and folders, for names that end in /) under a root."""

    def make(*names, root="set"):
        for name in names:
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.touch()
        return tmp_path / root

    return make


def found(source, *more, layout=None):
    known, found = find_pairs(Search(source, more), layout)
    pairs = [
        (pair.name, str(pair.image.relative_to(source.parent)), pair.labels.path.name)
        for pair in found.pairs
    ]
    return known.name, pairs, [str(left) for left in found.left_out]


@pytest.mark.parametrize(
    ("images", "labels"), [("imagesTr", "labelsTr"), ("images", "labels"), ("images", "masks")]
)
def test_two_folders(tree, images, labels):
    source = tree(f"{images}/b.nii.gz", f"{images}/a.mha", f"{labels}/a.nii.gz", f"{labels}/b.nrrd")
    assert found(source) == (
        "images-labels",
        [("a", f"set/{images}/a.mha", "a.nii.gz"), ("b", f"set/{images}/b.nii.gz", "b.nrrd")],
        [],
    )


def test_pairs_hold_paths(tree):
    source = tree("images/a.tif", "masks/a.png", "readme.txt", "images/notes.txt")
    _, pairs = find_pairs(Search(source, labels="merged"))
    labels = LabelFile(source / "masks" / "a.png", "merged")
    assert pairs.pairs == (Pair("a", source / "images" / "a.tif", labels),)


def test_what_has_no_partner_is_said(tree):
    source = tree("imagesTr/a.nii", "imagesTr/x.nii", "labelsTr/a.nii", "labelsTr/y.nii")
    assert found(source)[1:] == (
        [("a", "set/imagesTr/a.nii", "a.nii")],
        ["y: labels without an image", "x: an image without labels"],
    )


def test_of_several_files_with_one_name_one_is_taken(tree):
    source = tree("imagesTr/a.nii", "imagesTr/a.mha", "labelsTr/a.nii", "labelsTr/a.nrrd")
    _, pairs, left_out = found(source)
    assert pairs == [("a", "set/imagesTr/a.mha", "a.nii")]
    assert [sentence.replace(str(source), "") for sentence in left_out] == [
        "a: /imagesTr/a.nii has the name of /imagesTr/a.mha",
        "a: /labelsTr/a.nrrd has the name of /labelsTr/a.nii",
    ]


def test_names_may_hold_dots(tree):
    source = tree("images/1.3.6.1.nii.gz", "images/1.3.6.2.nii.gz", "labels/1.3.6.1.nii.gz")
    assert [pair[0] for pair in found(source)[1]] == ["1.3.6.1"]


def test_nnunet_numbers_the_channels_of_images(tree):
    source = tree("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz")
    assert found(source)[1:] == (
        [("a", "set/imagesTr/a_0000.nii.gz", "a.nii.gz")],
        ["a_0001: an image without labels"],
    )


def test_decathlon_s_hidden_files_are_passed_over(tree):
    source = tree("imagesTr/a.nii.gz", "imagesTr/._a.nii.gz", "labelsTr/a.nii.gz",
                  "labelsTr/._a.nii.gz", "imagesTs/t.nii.gz", "._imagesTr")  # fmt: skip
    (source / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}}))
    assert found(source)[1:] == ([("a", "set/imagesTr/a.nii.gz", "a.nii.gz")], [])


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "left lung": 1, "right lung": 2, "heart": 3, "all": [1, 2, 3]},
        {"0": "background", "1": "left lung", "2": "right lung", "3": "heart"},
    ],
)
def test_dataset_json_says_what_the_numbers_mean(tree, labels):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii")
    (source / "dataset.json").write_text(json.dumps({"labels": labels}))
    _, pairs = find_pairs(Search(source))
    assert pairs.pairs[0].labels.scheme == Scheme("dataset.json", right=(2,), left=(1,))
    assert pairs.pairs[0].labels.ignored == {3}
    assert pairs.warnings == ("dataset.json has labels that were taken for background: 3 'heart'.",)
    _, pairs = find_pairs(Search(source, labels="luna16"))
    assert pairs.pairs[0].labels == LabelFile(source / "labelsTr" / "a.nii", "luna16")


def test_a_data_set_of_tumours_is_no_data_set_of_lungs(tree):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii")
    (source / "dataset.json").write_text('{"labels": {"0": "background", "1": "cancer"}}')
    with pytest.raises(UsageError, match=r"dataset\.json names cancer, but no lung"):
        find_pairs(Search(source))
    (source / "dataset.json").write_text('{"labels": [')
    with pytest.raises(UsageError, match=r"dataset\.json can't be read"):
        find_pairs(Search(source))


def test_images_may_be_dicom_folders_and_lie_elsewhere(tree):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii", "labelsTr/b.nii", "labelsTr/c.nii")
    tree("imagesTr/c/")
    more = tree("b/", root="dicom")
    assert found(source, more)[1:] == (
        [
            ("a", "set/imagesTr/a.nii", "a.nii"),
            ("b", "dicom/b", "b.nii"),
            ("c", "set/imagesTr/c", "c.nii"),
        ],
        [],
    )


def test_folders_that_are_missing_are_named(tree, tmp_path):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii")
    with pytest.raises(UsageError, match=r"no folder .*nowhere"):
        find_pairs(Search(source, (source / "nowhere",)))
    with pytest.raises(UsageError, match=r"no folder .*missing"):
        find_pairs(Search(tmp_path / "missing"))


@pytest.mark.parametrize("layout", [None, "images-labels"])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["imagesTr/a.nii"], "imagesTr found, but no labelsTr beside it; add"),
        (["images/a.nii"], "images found, but no labels or masks beside it; add"),
        (["imagesTr/a.nii", "labelsTr/"], "imagesTr found, but labelsTr beside it holds no lab"),
    ],
)
def test_images_without_labels_are_said(tree, names, words, layout):
    with pytest.raises(UsageError, match=f"set is incomplete: {words}"):
        find_pairs(Search(tree(*names)), layout)


def test_a_file_is_no_data_set(tree):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii")
    with pytest.raises(UsageError, match=r"a\.nii is a file; give its data set's folder"):
        find_pairs(Search(source / "imagesTr" / "a.nii"))


def test_luna16_as_it_is_downloaded(tree):
    source = tree(
        "subset0/1.3.6.1.mhd", "subset0/1.3.6.1.raw", "subset9/1.3.6.2.mhd", "subset9/1.3.6.2.raw",
        "subset1.zip", "candidates.csv", "annotations.csv", "sampleSubmission.csv",
        "evaluationScript/tools.py", "seg-lungs-LUNA16/1.3.6.1.mhd",
        "seg-lungs-LUNA16/1.3.6.1.zraw", "seg-lungs-LUNA16/1.3.6.2.mhd",
        "seg-lungs-LUNA16/1.3.6.2.zraw", "seg-lungs-LUNA16/1.3.6.3.mhd",
    )  # fmt: skip
    assert found(source) == (
        "luna16",
        [
            ("1.3.6.1", "set/subset0/1.3.6.1.mhd", "1.3.6.1.mhd"),
            ("1.3.6.2", "set/subset9/1.3.6.2.mhd", "1.3.6.2.mhd"),
        ],
        ["1.3.6.3: labels without an image"],
    )
    _, pairs = find_pairs(Search(source))
    assert {pair.labels.scheme for pair in pairs.pairs} == {"luna16"}


def test_luna16_subsets_may_lie_elsewhere(tree):
    source = tree("1.3.6.1.mhd", "seg-lungs-LUNA16/1.3.6.1.mhd", "seg-lungs-LUNA16/1.3.6.2.mhd")
    more = tree("1.3.6.2.mhd", root="disk2")
    assert [p[1] for p in found(source, more)[1]] == ["set/1.3.6.1.mhd", "disk2/1.3.6.2.mhd"]


def test_totalsegmentator_s_folders(tree):
    lobes = [f"{lobe}.nii.gz" for lobe in RIGHT_LOBES + LEFT_LOBES]
    masks = {
        "s0001": [*lobes, "trachea.nii.gz", "liver.nii.gz"],
        "s0002": lobes,
        "s0003": lobes[1:],
    }
    source = tree("meta.csv", "s0005/ct.nii.gz", *(f"s0004/segmentations/{m}" for m in lobes))
    for subject, files in masks.items():
        tree(f"{subject}/ct.nii.gz", *(f"{subject}/segmentations/{name}" for name in files))
    known, pairs = find_pairs(Search(source))
    assert known.name == "totalsegmentator"
    assert [(p.name, p.image.name, len(p.labels.files)) for p in pairs.pairs] == [
        ("s0001", "ct.nii.gz", 6), ("s0002", "ct.nii.gz", 5),
    ]  # fmt: skip
    labels = pairs.pairs[0].labels
    assert isinstance(labels, StructureFiles)
    assert labels.files["airways"] == source / "s0001" / "segmentations" / "trachea.nii.gz"
    assert [str(left) for left in pairs.left_out] == [
        "s0003: no mask of lung_upper_lobe_right in segmentations", "s0004: no ct.nii.gz",
    ]  # fmt: skip
    for options in ({"labels": "pleura"}, {"more_images": (source,)}):
        with pytest.raises(UsageError, match="doesn't go with TotalSegmentator"):
            find_pairs(Search(source, **options))


@pytest.mark.parametrize("masks", ["Lung_Mask", "Lung_and_Infection_Mask"])
def test_covid_19_ct_seg(tree, masks):
    source = tree(
        "COVID-19-CT-Seg_20cases/coronacases_001.nii.gz", f"{masks}/coronacases_001.nii.gz",
        "COVID-19-CT-Seg_20cases/radiopaedia_4_85506_1.nii.gz",
        f"{masks}/radiopaedia_4_85506_1.nii.gz", "Infection_Mask/coronacases_001.nii.gz",
    )  # fmt: skip
    known, pairs, left_out = found(source)
    assert known == "covid-19-ct-seg" and left_out == []
    assert [pair[0] for pair in pairs] == ["coronacases_001", "radiopaedia_4_85506_1"]
    assert find_pairs(Search(source))[1].pairs[0].labels.scheme == "covid-19-ct-seg"


def test_an_unknown_layout_lists_the_known_ones(tree):
    source = tree("scans/a.nii")
    with pytest.raises(UsageError, match="has no known layout; known are") as error:
        find_pairs(Search(source))
    for name, layout in LAYOUTS.items():
        assert f"{name}: {layout.shape}" in str(error.value)
    with pytest.raises(UsageError, match="no layout 'luna'; known are luna16: subset0"):
        find_pairs(Search(source), "luna")


def test_a_layout_may_be_forced(tree):
    source = tree("images/1.mhd", "labels/1.mhd", "1.mhd", "seg-lungs-LUNA16/1.mhd")
    assert found(source)[0] == "luna16"
    assert found(source, layout="images-labels")[:2] == (
        "images-labels", [("1", "set/images/1.mhd", "1.mhd")],
    )  # fmt: skip
    for name in set(LAYOUTS) - {"luna16", "images-labels"}:
        with pytest.raises(UsageError, match=r"set is not .*, which is "):
            find_pairs(Search(source), name)


def test_no_common_name(tree):
    source = tree("images/a.nii", "labels/b.nii")
    with pytest.raises(
        UsageError, match="images and labels, has no scan with labels; b: labels wi"
    ):
        find_pairs(Search(source))
