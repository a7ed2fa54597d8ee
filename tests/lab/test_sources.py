"""Finding pairs in the layouts that people have."""

from __future__ import annotations

import pytest

from pleura.errors import UsageError
from pleura.lab.sources import Pair, find_pairs


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


def names(source, *more):
    pairs, left_out = find_pairs(source, more)
    return [
        (pair.name, str(pair.image.relative_to(source.parent)), pair.labels.name) for pair in pairs
    ], left_out


@pytest.mark.parametrize(
    ("images", "labels"), [("imagesTr", "labelsTr"), ("images", "labels"), ("images", "masks")]
)
def test_two_folders(tree, images, labels):
    source = tree(f"{images}/b.nii.gz", f"{images}/a.mha", f"{labels}/a.nii.gz", f"{labels}/b.nrrd")
    assert names(source) == (
        [("a", f"set/{images}/a.mha", "a.nii.gz"), ("b", f"set/{images}/b.nii.gz", "b.nrrd")],
        [],
    )


def test_pairs_hold_paths(tree):
    source = tree("images/a.tif", "masks/a.png", "readme.txt", "images/notes.txt")
    pairs, _ = find_pairs(source)
    assert pairs == [Pair("a", source / "images" / "a.tif", source / "masks" / "a.png")]


def test_what_has_no_partner_is_said(tree):
    source = tree("imagesTr/a.nii", "imagesTr/x.nii", "labelsTr/a.nii", "labelsTr/y.nii")
    assert names(source) == (
        [("a", "set/imagesTr/a.nii", "a.nii")],
        ["y: labels without an image", "x: an image without labels"],
    )


def test_names_may_hold_dots(tree):
    source = tree("images/1.3.6.1.nii.gz", "images/1.3.6.2.nii.gz", "labels/1.3.6.1.nii.gz")
    assert [pair[0] for pair in names(source)[0]] == ["1.3.6.1"]


def test_nnunet_numbers_the_channels_of_images(tree):
    source = tree("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    assert names(source) == ([("a", "set/imagesTr/a_0000.nii.gz", "a.nii.gz")], [])


def test_images_may_be_dicom_folders_and_lie_elsewhere(tree):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii", "labelsTr/b.nii", "labelsTr/c.nii")
    tree("imagesTr/c/")
    more = tree("b/", root="dicom")
    assert names(source, more) == (
        [
            ("a", "set/imagesTr/a.nii", "a.nii"),
            ("b", "dicom/b", "b.nii"),
            ("c", "set/imagesTr/c", "c.nii"),
        ],
        [],
    )


def test_a_folder_of_further_images_that_is_missing_is_named(tree):
    source = tree("imagesTr/a.nii", "labelsTr/a.nii")
    with pytest.raises(UsageError, match=r"no folder .*nowhere"):
        find_pairs(source, (source / "nowhere",))


def test_luna16_as_it_is_downloaded(tree):
    source = tree(
        "subset0/1.3.6.1.mhd", "subset0/1.3.6.1.raw", "subset9/1.3.6.2.mhd", "subset9/1.3.6.2.raw",
        "subset1.zip", "candidates.csv", "seg-lungs-LUNA16/1.3.6.1.mhd",
        "seg-lungs-LUNA16/1.3.6.1.zraw", "seg-lungs-LUNA16/1.3.6.2.mhd",
        "seg-lungs-LUNA16/1.3.6.2.zraw", "seg-lungs-LUNA16/1.3.6.3.mhd",
    )  # fmt: skip
    assert names(source) == (
        [
            ("1.3.6.1", "set/subset0/1.3.6.1.mhd", "1.3.6.1.mhd"),
            ("1.3.6.2", "set/subset9/1.3.6.2.mhd", "1.3.6.2.mhd"),
        ],
        ["1.3.6.3: labels without an image"],
    )


def test_luna16_subsets_may_lie_elsewhere(tree):
    source = tree("1.3.6.1.mhd", "seg-lungs-LUNA16/1.3.6.1.mhd", "seg-lungs-LUNA16/1.3.6.2.mhd")
    more = tree("1.3.6.2.mhd", root="disk2")
    assert [pair[1] for pair in names(source, more)[0]] == ["set/1.3.6.1.mhd", "disk2/1.3.6.2.mhd"]


def test_an_unknown_layout_names_the_known_ones(tree, tmp_path):
    for source in (tree("scans/a.nii", "imagesTr/a.nii"), tmp_path / "missing"):
        with pytest.raises(UsageError, match=r"imagesTr and labelsTr.*masks.*seg-lungs-LUNA16"):
            find_pairs(source)


def test_no_common_name(tree):
    with pytest.raises(UsageError, match="no image whose name is that of a label file"):
        find_pairs(tree("images/a.nii", "labels/b.nii"))
