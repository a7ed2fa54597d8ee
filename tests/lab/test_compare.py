"""Two sets of predictions: pairs, patients, tests and words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pleura.lab.compare import COMPARED, compare, comparison_markdown, volume_agreement
from pleura.lab.statistics import agreement, paired_wilcoxon

DICE = [0.91, 0.92, 0.95, 0.97, 0.90, 0.99, 0.93]
LOWER = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]  # by how much the other set is worse


def row(name: str, dice: float, volume_ml: float = 4000.0, **metrics: Any) -> dict[str, Any]:
    """As `evaluate` gives it, of lungs of 4100 ml."""
    lungs = {
        "dice": dice, "nsd_1mm": dice, "nsd_2mm": dice, "hd95_mm": 10 * (1 - dice),
        "assd_mm": 5 * (1 - dice), "prediction_ml": volume_ml, "reference_ml": 4100.0,
        "volume_difference_ml": volume_ml - 4100.0, **metrics,
    }  # fmt: skip
    return {"name": name, "structures": {"lungs": lungs, "left": lungs}, "error": None}


def failed(name: str, message: str) -> dict[str, Any]:
    return {"name": name, "structures": {}, "error": {"code": "bad_input", "message": message}}


@pytest.fixture
def sets() -> tuple[list[Any], list[Any]]:
    rows = [row(f"s{i}", d, 4100.0 + 10 * i) for i, d in enumerate(DICE)]
    others = [
        row(f"s{i}", d - low, 4000.0) for i, (d, low) in enumerate(zip(DICE, LOWER, strict=True))
    ]
    return rows, others[::-1]  # order doesn't pair, names do


def test_by_hand(sets: tuple[list[Any], list[Any]]) -> None:
    found = compare(*sets)
    assert found["left_out"] == [] and list(found["structures"]) == ["lungs", "left"]
    lungs = found["structures"]["lungs"]
    assert (lungs["scans"], lungs["patients"]) == (7, 7)
    dice = lungs["metrics"]["dice"]
    assert dice["mean"] == pytest.approx(np.mean(DICE))
    assert dice["other_mean"] == pytest.approx(np.mean(DICE) - 0.04)
    assert dice["difference"] == pytest.approx(0.04) == np.mean(LOWER)
    low, high = dice["ci95"]
    assert 0.01 < low < 0.03 and 0.05 < high < 0.07
    # Every patient is better by another amount: 1 of 2^7 signs on each side; six tests alike.
    assert dice["p"] == pytest.approx(2 / 2**7)
    assert dice["p_holm"] == pytest.approx(len(COMPARED) * 2 / 2**7)
    error = lungs["metrics"]["volume_error_ml"]
    assert error["mean"] == pytest.approx(30.0) and error["other_mean"] == pytest.approx(100.0)
    assert lungs["volumes"]["prediction"]["bias_ml"] == pytest.approx(30.0)
    assert lungs["volumes"]["other"] == {"bias_ml": -100.0, "limits_ml": [-100.0, -100.0]}
    half = 1.96 * np.std([10 * i for i in range(7)], ddof=1)
    limits = lungs["volumes"]["prediction"]["limits_ml"]
    assert limits == pytest.approx([30.0 - half, 30.0 + half])
    json.dumps(found, allow_nan=False)


def test_only_pairs_count_and_the_rest_is_named(sets: tuple[list[Any], list[Any]]) -> None:
    rows, others = sets
    rows.append(failed("moved", "The grids differ."))
    others += [row("moved", 0.5), failed("s0", "Broken."), row("alone", 0.5)]
    others.remove(next(one for one in others if one["name"] == "s0"))
    found = compare(rows, others)
    assert found["structures"]["lungs"]["scans"] == 6
    assert [(one["name"], one["set"]) for one in found["left_out"]] == [
        ("alone", "prediction"), ("moved", "prediction"), ("s0", "other"),
    ]  # fmt: skip
    text = comparison_markdown(found, ("ours", "theirs"))
    assert "- moved (ours): The grids differ." in text and "- s0 (theirs): Broken." in text


def test_below_six_there_are_values_only_and_the_reason(
    sets: tuple[list[Any], list[Any]],
) -> None:
    found = compare(sets[0][:5], sets[1])
    dice = found["structures"]["lungs"]["metrics"]["dice"]
    assert dice["difference"] == pytest.approx(0.03)
    assert dice["ci95"] is dice["p"] is dice["p_holm"] is None
    assert found["structures"]["lungs"]["volumes"]["prediction"]["limits_ml"] is None
    text = comparison_markdown(found, ("a", "b"))
    assert "| Dice | 0.9300 | 0.9000 | +0.0300 | - | - | - |" in text
    assert "Below 6 patients there are no intervals" in text and "bootstrap" not in text


def test_patients_are_compared_not_scans(sets: tuple[list[Any], list[Any]]) -> None:
    patients = {f"s{i}": f"p{i // 2}" for i in range(7)}  # four patients, the last with one scan
    lungs = compare(*sets, patients)["structures"]["lungs"]
    assert (lungs["scans"], lungs["patients"]) == (7, 4)
    dice = lungs["metrics"]["dice"]
    assert dice["difference"] == pytest.approx(np.mean([0.015, 0.035, 0.055, 0.07]))
    assert dice["p"] is None and lungs["volumes"]["prediction"]["limits_ml"] is None


def test_an_empty_prediction_counts_in_the_test_not_in_the_mean(
    sets: tuple[list[Any], list[Any]],
) -> None:
    rows, others = sets
    others[0]["structures"]["lungs"]["hd95_mm"] = None  # of s6
    hd95 = compare(rows, others)["structures"]["lungs"]["metrics"]["hd95_mm"]
    assert hd95["infinite"] == 1
    assert hd95["difference"] == pytest.approx(-10 * np.mean(LOWER[:6]))
    assert hd95["p"] == pytest.approx(2 / 2**7)
    text = comparison_markdown(compare(rows, others), ("a", "b"))
    assert "leave out infinite distances (1 patient)" in text


def test_nothing_in_common_is_said() -> None:
    found = compare([failed("a", "Broken.")], [row("a", 0.9)])
    assert found["structures"] == {}
    assert "- a (x): Broken." in comparison_markdown(found, ("x", "y"))


def test_a_set_against_itself_does_not_differ(sets: tuple[list[Any], list[Any]]) -> None:
    dice = compare(sets[0], sets[0])["structures"]["left"]["metrics"]["dice"]
    assert (dice["difference"], dice["ci95"], dice["p"], dice["p_holm"]) == (0, [0, 0], 1, 1)


def test_volume_agreement_is_over_the_mean_of_both(sets: tuple[list[Any], list[Any]]) -> None:
    found = volume_agreement(sets[0])
    assert found.means == pytest.approx([4100.0 + 5 * i for i in range(7)])
    assert found.differences == pytest.approx([10.0 * i for i in range(7)])


# Bland and Altman 1986 (Lancet i:307), table 1: first readings of peak flow (l/min) of 17 people
# by a Wright meter and a mini meter. They give a mean difference of -2.1 and a standard
# deviation of 38.8, and limits of -79.7 and 75.5 with 2 instead of 1.96.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_limits_of_agreement_of_the_first_paper() -> None:
    found = agreement(WRIGHT, MINI)
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    low, high = found.limits or (0.0, 0.0)
    assert (high - low) / 2 / 1.96 == pytest.approx(38.8, abs=0.05)
    assert (paired_wilcoxon(WRIGHT, MINI) or 0) > 0.5
