"""Names and codes of segments, ROIs and labels."""

from __future__ import annotations

import pytest

from pleura.lab.structures import (
    CHANNEL_OF,
    LEFT_LOBES,
    RIGHT_LOBES,
    agreed,
    lungs_missing,
    structure_of_code,
    structure_of_name,
)


@pytest.mark.parametrize(
    ("structure", "names"),
    [
        ("left", ["Lung_L", "Lung L", "lung-left", "Left Lung", "LEFT LUNG", "LungLeft"]),
        ("right", ["Lung_R", "R Lung", "Lung-Right", "right lung", "Right_Lung", "rightLung"]),
        ("lungs", ["Lungs", "Lung", "Lungs-Total", "Both lungs", "lung_total", "Lung L+R"]),
        ("airways", ["Trachea", "airways", "Trachea and main bronchi", "Airway"]),
        ("lung_upper_lobe_left", ["lung_upper_lobe_left", "Lung_LUL", "Left upper lobe of lung"]),
        ("lung_middle_lobe_right", ["lung_middle_lobe_right", "RML lobe"]),
        (
            None,
            ["Lung_L minus GTV", "Lungs-GTV", "lung tumour", "lung_middle_lobe_left", "Bronchus_R",
             "paratracheal nodes", "Heart", "Left", "part of left lung", "GTV-1", "", "PlungeR",
             "total lung left"],
        ),
    ],
)  # fmt: skip
def test_names(structure, names):
    found = {name: structure_of_name(name) for name in names}
    assert found == dict.fromkeys(names, structure)


@pytest.mark.parametrize(
    ("code", "modifiers", "structure"),
    [
        ("39607008", [], "lungs"),
        ("39607008", ["24028007"], "right"),
        ("39607008", ["7771000"], "left"),
        ("39607008", ["51440002"], "lungs"),  # both sides
        ("T-28000", ["G-A101"], "left"),
        ("3341006", [], "right"),
        ("44567001", [], "airways"),
        ("45653009", ["7771000"], "lung_upper_lobe_left"),
        ("90572001", [], None),  # a lower lobe, but which?
        ("72481006", [], "lung_middle_lobe_right"),
        ("80891009", [], None),  # the heart
    ],
)
def test_codes(code, modifiers, structure):
    assert structure_of_code(code, modifiers) == structure


def test_name_and_code_must_not_contradict_each_other():
    assert agreed("left", None) == ("left", False)
    assert agreed(None, "right") == ("right", False)
    assert agreed("left", "lungs") == ("left", False)
    assert agreed("left", "right") == (None, True)
    assert agreed("airways", "lungs") == (None, True)


def test_what_makes_both_lungs():
    assert lungs_missing(["lungs"]) == lungs_missing(["right", "left", "airways"]) == ""
    assert lungs_missing([*RIGHT_LOBES, "left"]) == lungs_missing(RIGHT_LOBES + LEFT_LOBES) == ""
    assert lungs_missing(["left"]) == "right lung"
    assert lungs_missing(["airways"]) == "right lung and left lung"
    assert lungs_missing(["left", *RIGHT_LOBES[:2]]) == "lung_lower_lobe_right"
    assert set(CHANNEL_OF.values()) == {"right", "left", "lungs", "airways"}
