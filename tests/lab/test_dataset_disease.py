"""Batches with painted disease: images and targets change together, from seed and step alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pleura.lab.augment import AugmentOptions
from pleura.lab.disease import DISEASES, DiseaseOptions
from tests.lab.small_store import training_store
from tests.lab.tiny import SAMPLING, slices_of

SICK = DiseaseOptions(share=1.0, donors=1.0)
ODDS = dict.fromkeys(DISEASES, 0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return training_store(tmp_path_factory.mktemp("store"))


def draw(store, step=0, **options):
    return slices_of(store, **options).draw(step)


def test_a_sick_draw_depends_on_seed_and_step_only(store):
    slices = slices_of(store, disease=SICK, augment=AugmentOptions(), seed=3)
    slices.draw(0), slices.draw(1)
    late = slices.draw(5)
    fresh = draw(store, 5, disease=SICK, augment=AugmentOptions(), seed=3)
    assert all(torch.equal(a, b) for a, b in zip(late, fresh, strict=True))


def test_dense_disease_changes_images_and_leaves_targets(store):
    options = DiseaseOptions(share=1.0, **ODDS | {"consolidation": 1.0})
    (images, targets, _), (sick, same, _) = draw(store), draw(store, disease=options)
    filled = targets[:, :2].sum(dim=(1, 2, 3)) > 30
    assert torch.equal(targets, same)
    assert (sick - images)[filled].amax() > 0.3  # of 1624 HU
    inside = targets[:, :2].sum(dim=1, keepdim=True) > 0.99
    assert sick[inside].mean() > images[inside].mean()


def test_fluid_leaves_the_targets_too(store):
    options = DiseaseOptions(share=1.0, **ODDS | {"effusion": 1.0})
    (_, targets, known), (_, fewer, still) = draw(store), draw(store, disease=options)
    assert torch.equal(known, still)
    assert (fewer <= targets + 1e-6).all() and fewer[:, :2].sum() < 0.97 * targets[:, :2].sum()
    assert torch.equal(fewer[:, 2], targets[:, 2])  # airways stay


def test_without_a_share_nothing_is_painted_and_no_lesion_looked_for(store, monkeypatch):
    def never(*_):
        raise AssertionError("it looked at all images")

    monkeypatch.setattr("pleura.lab.dataset.lesions_of", never)
    images, *_ = draw(store, disease=DiseaseOptions(share=0.0, mass=9.0))
    assert torch.equal(images, draw(store)[0])
    with pytest.raises(AssertionError):
        draw(store, disease=SICK)


def test_donors_come_from_the_scans_that_train(store, monkeypatch):
    seen = []
    monkeypatch.setattr("pleura.lab.dataset.lesions_of", lambda hu, *_: seen.append(hu) or [])
    slices = slices_of(store, disease=SICK)
    training = [store.images(scan, z, z + 1) for scan in slices.scans for z in range(scan.shape[0])]
    assert len(seen) == len(training)
    assert all(np.array_equal(a, b) for a, b in zip(seen, training, strict=True))
    assert {scan.role for scan in slices.scans} == {"train"}


def test_slices_in_order_are_sick_as_well(store):
    healthy = slices_of(store, in_order=True).draw(0)[0]
    sick = slices_of(store, in_order=True, disease=SICK).draw(0)[0]
    assert len(sick) == len(healthy) == SAMPLING.batch_size and not torch.equal(sick, healthy)
