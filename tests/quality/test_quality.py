from __future__ import annotations

import pytest

from pleura.findings import Finding, verdict_of
from pleura.measure import CutOff
from pleura.quality import Quality, result_findings

WHOLE = CutOff(top=False, bottom=False, sides=False)
GOOD = {"right": 2600.0, "left": 2300.0, "total": 4900.0}


def codes(volumes: dict[str, float], cut: CutOff = WHOLE, slices: int = 120) -> list[str]:
    return [finding.code for finding in result_findings(volumes, cut, slices, slices * 2.5)]


def test_two_whole_lungs_are_fine() -> None:
    assert codes(GOOD) == []


def test_no_lung_fails() -> None:
    findings = result_findings({"right": 0, "left": 0, "total": 0}, WHOLE, 120, 300)
    assert [(f.code, f.severity) for f in findings] == [("no_lung", "fail")]
    assert Quality(findings).verdict == "fail"


@pytest.mark.parametrize(
    ("volumes", "code"),
    [
        ({"right": 2600.0, "left": 100.0, "total": 2700.0}, "one_lung"),
        ({"right": 120.0, "left": 110.0, "total": 230.0}, "implausible_volume"),
        ({"total": 15000.0}, "implausible_volume"),
    ],
)
def test_odd_volumes_warn(volumes: dict[str, float], code: str) -> None:
    assert codes(volumes) == [code]


def test_a_cut_lung_names_its_places() -> None:
    finding = result_findings(GOOD, CutOff(top=True, bottom=False, sides=True), 120, 300)[0]
    assert finding.code == "lung_cut_off"
    assert "(top, sides)" in finding.message


def test_a_part_of_a_chest_is_not_judged_by_volume() -> None:
    cut = CutOff(top=True, bottom=True, sides=False)
    assert codes({"right": 20.0, "left": 0.0, "total": 20.0}, cut, slices=1) == ["part_of_chest"]


def test_the_worst_finding_is_the_verdict() -> None:
    findings = [Finding(s, s, "") for s in ("note", "warn")]  # type: ignore[arg-type]
    assert verdict_of([]) == "pass"
    assert verdict_of(findings[:1]) == "pass"
    assert verdict_of(findings) == "warn"
    assert verdict_of([*findings, Finding("x", "fail", "")]) == "fail"
