"""Which anatomical structure a segment, an ROI or a label means, by its name or its code.

Structures are "right", "left", "lungs" (side unknown), "airways", and the five lobes by the names
that TotalSegmentator gives them. Names are recognised whole: what says more ("Lung_L minus GTV",
"lung tumour") is something else. Names follow AAPM TG-263 and common usage, codes SNOMED CT
(and its older SRT form) as in DICOM PS3.16 CID 7166 and CID 244.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

RIGHT_LOBES = ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right")
LEFT_LOBES = ("lung_upper_lobe_left", "lung_lower_lobe_left")
CHANNEL_OF: Mapping[str, str] = MappingProxyType(
    {
        "lungs": "lungs", "right": "right", "left": "left", "airways": "airways",
        **dict.fromkeys(RIGHT_LOBES, "right"), **dict.fromkeys(LEFT_LOBES, "left"),
    }
)  # fmt: skip
_LOBES_OF = MappingProxyType({"right": RIGHT_LOBES, "left": LEFT_LOBES})

_SIDES = MappingProxyType(
    {"l": "left", "left": "left", "lt": "left", "r": "right", "right": "right", "rt": "right"}
)
_LUNG = frozenset({"lung", "lungs", "pulmo", "pulmones"})
_BOTH = frozenset({"both", "bilateral", "total", "whole", "and"})
_LOBE_WORDS = frozenset({"upper", "middle", "lower"})
_TRACHEA = frozenset({"trachea", "airway", "airways"})
_WITH_TRACHEA = frozenset({"and", "main", "bronchi", "bronchus"})
_SHORT_LOBES = MappingProxyType(
    {
        "rul": RIGHT_LOBES[0], "rml": RIGHT_LOBES[1], "rll": RIGHT_LOBES[2],
        "lul": LEFT_LOBES[0], "lll": LEFT_LOBES[1],
    }
)  # fmt: skip

_CODES = MappingProxyType(
    {
        "39607008": "lungs", "T-28000": "lungs", "74101002": "lungs",
        "3341006": "right", "T-28100": "right", "44029006": "left", "T-28500": "left",
        "44567001": "airways", "T-25000": "airways", "110726009": "airways",
        "42400003": RIGHT_LOBES[0], "72481006": RIGHT_LOBES[1], "266005": RIGHT_LOBES[2],
        "44714003": LEFT_LOBES[0], "41224006": LEFT_LOBES[1],
    }
)  # fmt: skip
_LOBE_CODES = MappingProxyType({"45653009": "upper", "90572001": "lower"})  # of either lung
_SIDE_CODES = MappingProxyType(
    {"24028007": "right", "G-A100": "right", "7771000": "left", "G-A101": "left"}
)


def structure_of_name(name: str) -> str | None:
    """The structure that a name means ("Lung_L", "Right Lung", "Lungs", "Trachea"), else None."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W_]+", spaced.lower())
    found = set(words)
    if found & _TRACHEA:
        return "airways" if found <= _TRACHEA | _WITH_TRACHEA else None
    lobes = found & _SHORT_LOBES.keys()
    if lobes:
        known = _LUNG | {"lobe"}
        return _SHORT_LOBES[lobes.pop()] if len(lobes) == 1 and found - lobes <= known else None
    if not found & _LUNG:
        return None
    rest = found - _LUNG
    sides = {_SIDES[word] for word in rest & _SIDES.keys()}
    rest -= _SIDES.keys()
    if "lobe" in rest and len(sides) == 1:
        place = rest - {"lobe", "of"}
        return _lobe(place.pop(), sides.pop()) if len(place) == 1 else None
    if not rest <= _BOTH or (len(sides) == 1 and rest & _BOTH):
        return None
    return sides.pop() if len(sides) == 1 else "lungs"


def structure_of_code(code: str, modifiers: Iterable[str] = ()) -> str | None:
    """The structure of a code value, with its laterality among the modifiers' values."""
    sides = {_SIDE_CODES[value] for value in modifiers if value in _SIDE_CODES}
    if code in _LOBE_CODES:
        return _lobe(_LOBE_CODES[code], sides.pop()) if len(sides) == 1 else None
    structure = _CODES.get(code)
    return sides.pop() if structure == "lungs" and len(sides) == 1 else structure


def agreed(by_name: str | None, by_code: str | None) -> tuple[str | None, bool]:
    """What name and code say together, and whether they contradict each other."""
    if by_name is None or by_code is None or by_name == by_code:
        return by_name or by_code, False
    if by_code == "lungs" and by_name != "airways":  # the code leaves the side open
        return by_name, False
    return None, True


def lungs_missing(structures: Iterable[str]) -> str:
    """ "" when the structures make both lungs, else what is missing, for a sentence."""
    found = set(structures)
    if "lungs" in found:
        return ""
    missing = []
    for side, lobes in _LOBES_OF.items():
        lacking = [lobe for lobe in lobes if lobe not in found]
        if side in found or not lacking:
            continue
        missing += [f"{side} lung"] if len(lacking) == len(lobes) else lacking
    return " and ".join(missing)


def _lobe(place: str, side: str) -> str | None:
    name = f"lung_{place}_lobe_{side}"
    return name if place in _LOBE_WORDS and name in CHANNEL_OF else None
