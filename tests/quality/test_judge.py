"""The verdict on a mask, and the look at a scan without one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pleura import Segmenter
from pleura.classical import inner_air
from pleura.findings import Finding, verdict_of
from pleura.lab.corrupt import CORRUPTIONS
from pleura.labels import AIRWAY_LABELS, MERGED_LABELS
from pleura.quality import Judgement, Quality, judge, look
from pleura.volume import Geometry, Mask, Volume
from tests.example import FIRST_LUNG, example, example_scene, lungs, mask_on, part_of, turned
from tests.grids import ORDERS
from tests.phantom import chest

PHANTOM = chest()
VOLUME = Volume(PHANTOM.hu, PHANTOM.geometry)


def codes(judgement: Judgement) -> list[str]:
    return [finding.code for finding in judgement.quality.findings]


def test_the_worst_finding_is_the_verdict() -> None:
    findings = [Finding(s, s, "") for s in ("note", "warn")]  # type: ignore[arg-type]
    assert verdict_of([]) == Quality(()).verdict == "pass"
    assert verdict_of(findings[:1]) == "pass"
    assert verdict_of(findings) == "warn"
    assert Quality((*findings, Finding("x", "fail", ""))).verdict == "fail"


def test_the_scans_own_findings_count() -> None:
    own = Finding("gap", "fail", "Slices are missing.", "")
    volume = Volume(PHANTOM.hu, PHANTOM.geometry, findings=(own,))
    judgement = judge(volume, mask_on(volume, lungs(PHANTOM.labels)))
    assert judgement.quality.findings[0] == own and judgement.quality.verdict == "fail"
    assert look(volume)[0].findings[0] == own


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(ORDERS), st.sampled_from(["good", "holes", "slices missing in the middle"]))
def test_a_patient_is_judged_alike_in_any_orientation(order: tuple, way: str) -> None:
    volume, _ = example()
    labels = example_scene().labels
    if way != "good":
        labels = CORRUPTIONS[way](example_scene())
    one = judge(volume, mask_on(volume, labels))
    other_volume, other_labels = turned(volume, labels, *order)
    other = judge(other_volume, mask_on(other_volume, other_labels))
    assert other.quality.findings == one.quality.findings
    assert other.cut == one.cut and other.volumes_ml == pytest.approx(one.volumes_ml)
    assert one.quality.measures is not None and other.quality.measures is not None
    assert asdict(other.quality.measures) == pytest.approx(
        asdict(one.quality.measures), rel=1e-3, abs=1e-4, nan_ok=True
    )
    assert look(other_volume)[1] == look(volume)[1]


def test_airways_are_no_lung() -> None:
    volume, labels = example()
    assert (labels == 3).any()
    plain = judge(volume, mask_on(volume, lungs(labels)))
    with_airways = judge(volume, Mask(labels, volume.geometry, AIRWAY_LABELS))
    assert with_airways.quality == plain.quality
    assert with_airways.volumes_ml == plain.volumes_ml


def test_merged_masks_are_judged_without_sides() -> None:
    volume, labels = example()
    merged = Mask((lungs(labels) > 0).astype(np.uint8), volume.geometry, MERGED_LABELS)
    judgement = judge(volume, merged)
    assert judgement.quality.verdict == "pass" and codes(judgement) == []
    assert set(judgement.volumes_ml) == {"total"}
    measures = judgement.quality.to_dict()["measures"]
    assert isinstance(measures, dict) and measures["side_conflict"] is None


def test_an_empty_mask_fails() -> None:
    judgement = judge(VOLUME, mask_on(VOLUME, np.zeros_like(PHANTOM.labels)), 0.7)
    assert codes(judgement) == ["no_lung"] and judgement.quality.verdict == "fail"
    assert judgement.quality.measures is None
    assert judgement.quality.to_dict()["measures"] is None


@pytest.mark.parametrize("slices", [1, 60])
def test_a_mask_that_falls_between_the_samples_fails(slices: int) -> None:
    hu = np.full((slices, 60, 60), 40, np.int16)
    volume = Volume(hu, Geometry.from_parts(hu.shape, (3.0, 0.5, 0.5)))
    labels = np.zeros(hu.shape, np.uint8)
    labels[0, 0, 1:4] = 1
    judgement = judge(volume, mask_on(volume, labels))
    assert judgement.volumes_ml["total"] > 0 and judgement.quality.measures is None
    assert judgement.quality.verdict == "fail" and "specks" in codes(judgement)


@pytest.mark.parametrize(
    ("way", "code"),
    [
        (None, None),
        ("sides exchanged", "sides_mixed"),
        ("back half of the left lung missing", "edge_in_lung"),
        ("grown by 6 mm", "edge_in_tissue"),
    ],
)
def test_a_single_slice(way: str | None, code: str | None) -> None:
    volume, _ = example()
    labels = example_scene().labels if way is None else CORRUPTIONS[way](example_scene())
    part = part_of(volume, 60, 61)
    judgement = judge(part, mask_on(part, labels[60:61]))
    assert ("part_of_chest" in codes(judgement)) and (code is None or code in codes(judgement))
    assert (judgement.quality.verdict == "pass") == (way is None)


@pytest.mark.parametrize(("entropy", "expected"), [(0.7, []), (0.9, ["edge_uncertain"])])
def test_what_the_network_said_about_edges_counts(entropy: float, expected: list[str]) -> None:
    volume, labels = example()
    judgement = judge(volume, mask_on(volume, lungs(labels)), entropy)
    assert codes(judgement) == expected
    assert judgement.quality.measures is not None
    assert judgement.quality.measures.edge_entropy == entropy


def test_a_look_at_a_chest() -> None:
    volume, labels = example()
    quality, coverage = look(volume)
    assert quality.findings == () and quality.measures is None
    assert coverage["length_mm"] == pytest.approx(133 * 2.5)
    assert 380 < coverage["body_width_mm"] <= 440  # the field of view's width
    assert coverage["cut_off"] == {"top": False, "bottom": False, "sides": False}
    true_ml = np.count_nonzero(lungs(labels)) * volume.geometry.voxel_ml
    assert coverage["aerated_lung_ml"]["total"] == pytest.approx(true_ml, rel=0.03)


def test_a_look_at_a_part_of_a_chest() -> None:
    volume, _ = example()
    quality, coverage = look(part_of(volume, 40, 100))
    assert [finding.code for finding in quality.findings] == ["lung_cut_off"]
    assert coverage["cut_off"] == {"top": True, "bottom": True, "sides": False}


def test_a_look_at_a_single_slice() -> None:
    volume, _ = example()
    quality, coverage = look(part_of(volume, 60, 61))
    assert [finding.code for finding in quality.findings] == ["part_of_chest"]
    assert coverage["length_mm"] == 2.5 and coverage["aerated_lung_ml"]["total"] > 50


def test_a_look_at_a_belly() -> None:
    """Gas in the bowel may pass for lung by threshold, but is too little of it."""
    volume, _ = example()
    belly = part_of(volume, 0, FIRST_LUNG - 3)
    quality, coverage = look(belly)
    assert quality.verdict == "warn" and "little_lung" in [f.code for f in quality.findings]
    assert coverage["aerated_lung_ml"]["total"] < 50
    without_gas = np.where(inner_air(belly.array)[0], 0, belly.array).astype(np.int16)
    quality, coverage = look(Volume(without_gas, belly.geometry))
    assert [(f.code, f.severity) for f in quality.findings] == [("no_lung", "fail")]
    assert coverage["aerated_lung_ml"]["total"] == 0


def test_an_abdomen_with_the_lungs_bases_says_nothing_about_the_lie() -> None:
    """Its gas lies in front, where the lowest part of lungs can't."""
    volume, _ = example()
    belly = volume.array[: FIRST_LUNG - 1]
    hu = np.concatenate([belly[::-1], belly, belly[::-1], volume.array[: FIRST_LUNG + 15]])
    quality, _ = look(Volume(hu, Geometry(hu.shape, volume.geometry.affine)))
    told = {finding.code for finding in quality.findings}
    assert "little_lung" in told and "front_back_exchanged" not in told


@pytest.mark.parametrize("value", [-1000, 40])
def test_a_look_at_nothing(value: int) -> None:
    hu = np.full((12, 64, 64), value, np.int16)
    quality, coverage = look(Volume(hu, Geometry.from_parts(hu.shape, (20.0, 6.0, 6.0))))
    assert [finding.code for finding in quality.findings] == ["no_lung"]
    assert (coverage["body_width_mm"] is None) == (value == -1000)


# True of these scans: their lungs reach the last slice.
CUT = {"cap002", "covid001", "lungdx0002"}
REAL = pytest.mark.parametrize("by", ["reference", pytest.param("model", marks=pytest.mark.slow)])


@REAL
@pytest.mark.shared
def test_good_masks_of_real_scans_pass(shared_data: Path, by: str) -> None:
    """Train and validation volumes; nothing but cut lungs may be said of them."""
    from benchmarks.accuracy import cases
    from pleura.lab.prepare import load_pair

    segmenter = Segmenter() if by == "model" else None
    seen = []
    for case in cases(shared_data, ["train", "validation"]):
        if case.set_name != "volumes":
            continue
        labelled = load_pair(case.pair)
        if segmenter is not None:
            quality = segmenter.segment(labelled.volume).quality
        else:
            mask = mask_on(labelled.volume, lungs(labelled.mask().array))
            quality = judge(labelled.volume, mask).quality
        told = {finding.code for finding in quality.findings if finding.severity != "note"}
        assert told == ({"lung_cut_off"} if case.pair.name in CUT else set()), case.pair.name
        assert quality.verdict == ("warn" if case.pair.name in CUT else "pass")
        seen.append(case.pair.name)
    assert len(seen) == 8 and set(seen) > CUT
