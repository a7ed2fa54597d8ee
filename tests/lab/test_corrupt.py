"""Masks made wrong on purpose, and whether the verdict notices: on the real example."""

from __future__ import annotations

import numpy as np
import pytest

from pleura.lab.corrupt import CORRUPTIONS
from pleura.quality import judge
from tests.example import example, example_scene, mask_on

# Of each way: the least verdict, and codes that must be among the findings.
EXPECTED = {
    "left lung missing": ("fail", {"one_lung", "lung_missed"}),
    "lower third of the right lung missing": ("warn", {"lung_missed", "jump_between_slices"}),
    "upper third of both lungs missing": ("fail", {"lung_missed"}),
    "back half of the left lung missing": ("fail", {"lung_missed", "edge_in_lung"}),
    "trachea and bronchi included": ("warn", {"gas_included"}),
    "gas in stomach or bowel included": ("warn", {"gas_included"}),
    "air outside the body included": ("fail", {"outside_body", "gas_included"}),
    "mediastinum filled": ("warn", {"mask_dense"}),
    "grown by 6 mm": ("fail", {"edge_in_tissue"}),
    "shrunk by 6 mm": ("fail", {"edge_in_lung"}),
    "shifted by 15 mm": ("fail", {"edge_in_lung", "edge_in_tissue"}),
    "sides exchanged": ("fail", {"sides_mixed"}),
    "a third of the left lung called right": ("warn", {"sides_mixed"}),
    "slices missing in the middle": ("fail", {"slices_without_lung"}),
    "slices shifted at random": ("warn", {"slice_out_of_place"}),
    "upside down": ("fail", {"edge_in_lung", "lung_missed"}),
    "mirrored": ("fail", {"sides_mixed", "edge_in_lung"}),
    "holes": ("warn", {"voids"}),
    "fragments in soft tissue": ("warn", {"loose_pieces"}),
    "small rubbish instead of lung": ("fail", {"specks", "little_lung", "mask_dense"}),
}
WORSE = {"pass": 0, "warn": 1, "fail": 2}


def test_every_way_has_its_line() -> None:
    assert list(EXPECTED) == list(CORRUPTIONS)
    assert len(CORRUPTIONS) == 20


def test_the_clean_mask_passes() -> None:
    volume, _ = example()
    quality = judge(volume, mask_on(volume, example_scene().labels)).quality
    assert quality.verdict == "pass" and quality.findings == ()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_verdict_notices(name: str) -> None:
    volume, _ = example()
    scene = example_scene()
    before = scene.labels.copy()
    wrong = CORRUPTIONS[name](scene)
    assert (scene.labels == before).all(), "the good mask was changed"
    assert wrong.dtype == np.uint8 and wrong.shape == before.shape and (wrong != before).any()
    assert set(np.unique(wrong)) <= {0, 1, 2}
    quality = judge(volume, mask_on(volume, wrong)).quality
    verdict, codes = EXPECTED[name]
    assert WORSE[quality.verdict] >= WORSE[verdict], quality.findings
    assert codes <= {finding.code for finding in quality.findings}, quality.findings


@pytest.mark.parametrize("name", ["slices shifted at random", "holes", "fragments in soft tissue"])
def test_chance_comes_from_the_scene(name: str) -> None:
    one, same, other = (CORRUPTIONS[name](example_scene(seed)) for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
