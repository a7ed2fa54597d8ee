"""The line between lungs that touch, drawn by a model; the mask itself stays as it was."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from pleura.errors import ModelError
from pleura.lab.prepare import PrepareOptions, prepare_source
from pleura.lab.sides import sides_from_geometry
from pleura.lab.sides_by_model import SidesByModel
from pleura.lab.store import Store
from pleura.read import read
from pleura.volume import Geometry, Volume
from tests.engines import RubbishEngine
from tests.lab.small_store import turned
from tests.phantom import chest
from tests.scans import save


@pytest.fixture(scope="module")
def model():
    return SidesByModel(threads=1)


@pytest.fixture(scope="module")
def phantom():
    return chest((4, 96, 96), (8.0, 4.0, 4.0))


def joined(right, left):
    """Both lungs (z, y, x) with a bridge between them in each slice, as hasty readers draw them.

    It crosses the mediastinum where that is narrowest.
    """
    lungs = right | left
    for plane, on_right, on_left in zip(lungs, right, left, strict=True):
        rows = np.flatnonzero(on_right.any(axis=1) & on_left.any(axis=1))
        inner = ((np.flatnonzero(on_right[y])[-1], np.flatnonzero(on_left[y])[0], y) for y in rows)
        start, stop, y = min(inner, key=lambda end: end[1] - end[0])
        plane[y, start : stop + 1] = True
    return lungs


@pytest.mark.parametrize("transform", [lambda a, g: (a, g), turned])
def test_lungs_that_touch_get_their_sides_and_stay_the_same_lungs(phantom, model, transform):
    lungs = joined(phantom.labels == 1, phantom.labels == 2)
    hu, geometry = transform(phantom.hu, phantom.geometry)
    mask, _ = transform(lungs, phantom.geometry)
    labels, _ = transform(phantom.labels, phantom.geometry)
    volume = Volume(np.ascontiguousarray(hu), geometry)
    assert sides_from_geometry(mask, volume) is None
    drawn = model.draw(mask, volume)
    assert drawn.agreement > 0.97
    np.testing.assert_array_equal(drawn.right | drawn.left, mask)
    assert not (drawn.right & drawn.left).any()
    assert drawn.right[labels == 1].all() and drawn.left[labels == 2].all()


def test_lung_that_the_model_does_not_see_goes_to_the_nearer_side(phantom, model):
    """The wall beside the left lung, which readers take in."""
    lungs = joined(phantom.labels == 1, phantom.labels == 2)
    columns = np.flatnonzero((phantom.labels[2] == 2).any(axis=0))
    row = int(np.argwhere(phantom.labels[2, :, columns[-1]] == 2)[0, 0])
    lungs[2, row, columns[-1] : columns[-1] + 4] = True
    drawn = model.draw(lungs, Volume(phantom.hu, phantom.geometry))
    assert drawn.left[2, row, columns[-1] : columns[-1] + 4].all()


def test_a_model_that_sees_something_else_is_not_believed(phantom):
    model = SidesByModel(threads=1)
    _ = model._segmenter.engine
    model._segmenter.engine = RubbishEngine()
    lungs = joined(phantom.labels == 1, phantom.labels == 2)
    drawn = model.draw(lungs, Volume(phantom.hu, phantom.geometry))
    assert drawn.right is None and drawn.left is None and drawn.agreement < 0.5
    assert drawn.why_not == "the model sees other lungs"


def test_sides_that_come_out_swapped_are_not_believed(phantom, model, monkeypatch):
    monkeypatch.setattr("pleura.lab.sides_by_model.sides_look_swapped", lambda *_: True)
    lungs = joined(phantom.labels == 1, phantom.labels == 2)
    drawn = model.draw(lungs, Volume(phantom.hu, phantom.geometry))
    assert drawn.right is None and drawn.agreement > 0.97
    assert drawn.why_not == "the model's sides come out swapped"


def test_prepare_draws_sides_when_asked(phantom, tmp_path):
    lungs = joined(phantom.labels == 1, phantom.labels == 2)
    for folder, array in (("images", phantom.hu), ("masks", lungs.astype(np.uint8))):
        (tmp_path / "set" / folder).mkdir(parents=True)
        save(tmp_path / "set" / folder / "a.nii.gz", array, phantom.geometry)
    stores = {}
    for name, wish in (("without", None), ("with", "lungs")):
        options = PrepareOptions(labels="merged", sides_by_model=wish)
        report = prepare_source(tmp_path / "set", tmp_path / name, options)
        stores[name] = Store(tmp_path / name)
        touching = any("Lungs that touch" in warning for warning in report.warnings)
        assert touching is (wish is None)
    assert report.scans[0].notes[0].startswith("the model drew the line between the lungs")
    assert stores["without"].scans[0].channels == ("lungs",)
    assert stores["with"].scans[0].channels == ("right", "left")
    before, after = (store.targets(store.scans[0]).astype(int) for store in stores.values())
    assert abs(before[:, 0] - after[:, 0] - after[:, 1]).max() <= 1  # two roundings
    columns = np.arange(after.shape[3])
    right, left = (np.average(columns, weights=after[:, c].sum(axis=(0, 1))) for c in (0, 1))
    assert right < left
    with pytest.raises(ModelError):
        options = PrepareOptions(labels="merged", sides_by_model="nobody")
        prepare_source(tmp_path / "set", tmp_path / "other", options)


def test_sides_of_real_slices_that_were_hidden(shared_data, model):
    """Two of them of patients whom the bundled model's first run had not seen."""
    for name in ("covid001", "cap002", "normal002"):
        volume = read(shared_data / "volumes" / "imagesTr" / f"{name}.nii.gz")
        image = nibabel.load(shared_data / "volumes" / "labelsTr" / f"{name}.nii.gz")
        labels = np.asarray(image.dataobj).transpose(2, 1, 0)
        spacing = volume.geometry.spacing_zyx_mm
        np.testing.assert_allclose(volume.geometry.direction_lps, np.eye(3), atol=1e-6)
        for z in range(10, len(labels), 30):
            right, left = labels[z : z + 1] == 4, labels[z : z + 1] == 3
            if min(right.sum(), left.sum()) < 1000:
                continue
            lungs = joined(right, left)
            hu = np.ascontiguousarray(volume.array[z : z + 1])
            drawn = model.draw(lungs, Volume(hu, Geometry.from_parts(hu.shape, spacing)))
            assert drawn.right is not None, (name, z)
            np.testing.assert_array_equal(drawn.right | drawn.left, lungs)
            share = (drawn.right[right].sum() + drawn.left[left].sum()) / (right | left).sum()
            assert share > 0.99, (name, z)
