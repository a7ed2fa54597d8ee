"""How the patient lies, against the header, on the real example."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pleura.findings import Finding
from pleura.quality import look
from pleura.quality.anatomy import Evidence, anatomy_findings, evidence
from pleura.quality.sample import Sample
from pleura.volume import Volume
from tests.example import example, part_of

NAN = float("nan")
VOLUME, _ = example()


def seen(volume: Volume) -> Evidence:
    """With lungs by threshold, as `pleura info` has them."""
    sample = Sample.of(volume)
    return evidence(sample, sample.classical > 0)


def flipped(*axes: int) -> Volume:
    """The same header with voxels stored the other way: header and patient disagree."""
    return Volume(np.ascontiguousarray(np.flip(VOLUME.array, axes)), VOLUME.geometry)


@pytest.mark.parametrize(
    ("axes", "code", "words"),
    [
        ((), None, ""),
        ((2,), "sides_against_anatomy", "situs inversus"),
        ((1,), "front_back_exchanged", "lies in front"),
        ((1, 2), "turned_over", "prone"),
        ((0,), "upside_down", "compare with the header"),
        ((0, 1), "upside_down", "compare with the header"),
        ((0, 2), "upside_down", "compare with the header"),  # a turn by 180 degrees, a real case
    ],
    ids=["clean", "left-right", "front-back", "turned", "head-feet", "both", "rolled"],
)
def test_headers_against_the_image(axes: tuple[int, ...], code: str | None, words: str) -> None:
    findings = anatomy_findings(seen(flipped(*axes)))
    assert [(finding.code, finding.severity) for finding in findings] == (
        [(code, "warn")] if code else []
    )
    assert all(words in finding.message for finding in findings)


def test_the_usual_patient() -> None:
    usual = seen(VOLUME)
    assert usual.liver > 0.1 and usual.recess > 0.67 and 0.53 < usual.apex < 0.59


def test_cut_ends_say_nothing() -> None:
    without_base, without_top = seen(part_of(VOLUME, 50, 133)), seen(part_of(VOLUME, 0, 100))
    assert np.isnan([without_base.liver, without_base.recess]).all()
    assert np.isfinite(without_base.apex)
    assert np.isfinite([without_top.liver, without_top.recess]).all()
    assert np.isnan(without_top.apex)
    for part in (flipped(0), flipped(1), flipped(2)):
        # Cut at both ends, no header can be contradicted.
        assert anatomy_findings(seen(part_of(part, 45, 100))) == ()


@pytest.mark.parametrize(("first", "last"), [(60, 61), (0, 40), (0, 10), (100, 133)])
def test_short_lungs_say_nothing(first: int, last: int) -> None:
    assert np.isnan(list(vars(seen(part_of(VOLUME, first, last))).values())).all()


def test_no_lung_says_nothing() -> None:
    sample = Sample.of(VOLUME)
    nothing = evidence(sample, np.zeros(sample.hu.shape, dtype=bool))
    assert np.isnan(list(vars(nothing).values())).all()
    assert anatomy_findings(nothing) == ()


def test_where_numbers_are_off_the_liver_is_not_looked_for() -> None:
    odd = Finding("intensity_scale", "warn", "Numbers are 0.8 of HU.")
    mirrored = flipped(2)
    assert "sides_against_anatomy" in [finding.code for finding in look(mirrored)[0].findings]
    told = look(replace(mirrored, findings=(odd,)))[0].findings
    assert [finding.code for finding in told] == ["intensity_scale"]


@pytest.mark.parametrize(
    ("liver", "recess", "apex", "code"),
    [
        (0.15, 0.70, 0.55, None),
        (0.00, 0.70, 0.55, None),  # no liver to see
        (-0.15, NAN, NAN, "sides_against_anatomy"),
        (-0.15, 0.30, 0.45, "turned_over"),
        (NAN, 0.30, 0.45, "turned_over"),
        (0.15, 0.30, 0.45, "front_back_exchanged"),
        (0.15, 0.58, 0.72, "upside_down"),
        (-0.15, 0.42, 0.28, "upside_down"),
        (0.15, 0.58, NAN, None),
    ],
)
def test_evidence_by_hand(liver: float, recess: float, apex: float, code: str | None) -> None:
    findings = anatomy_findings(Evidence(liver, recess, apex))
    assert [finding.code for finding in findings] == ([code] if code else [])
