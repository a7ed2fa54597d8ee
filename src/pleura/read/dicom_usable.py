"""Why a group of slices can't be a CT scan in Hounsfield units, if it can't."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pleura.errors import InputError, IntensityError, NotCTError, UnreadableError
from pleura.read.dicom_frames import Slice, StoredImage

_LOCALIZER = re.compile(r"scout|topogram|locali[sz]er|surview|scanogram|scano\b", re.IGNORECASE)

# RescaleType (PS3.3 C.11.1.1.2) and ImageType's terms of multi-energy CT (C.8.2.1.1.1) and of
# perfusion (C.8.16.1.4) for values that are no attenuation. MAT_REMOVED, VMI and HU_MOD are.
_QUANTITIES = {
    "OD": "optical densities",
    "MGML": "material concentrations in mg/ml",
    "Z_EFF": "effective atomic numbers",
    "ED": "electron densities",
    "EDW": "electron densities",
    "PCT": "percentages",
}
_MAPS = {
    "EFF_ATOMIC_NUM": "effective atomic numbers",
    "ELECTRON_DENSITY": "electron densities",
    "MAT_SPECIFIC": "one material's share",
    "MAT_FRACTIONAL": "material fractions",
    "MAT_VALUE_BASED": "highlighted materials",
    "RCBF": "blood flow",
    "RCBV": "blood volume",
    "CBF": "blood flow",
    "CBV": "blood volume",
    "MTT": "transit times",
    "TTP": "times to peak",
    "TMAX": "times to peak",
}


def unusable(group: Sequence[Slice], broken: StoredImage | None) -> tuple[type[InputError], str]:
    """Why a stack can't be a CT scan, as (error class, sentence); the sentence is "" if it can."""
    image = group[0].image
    if image.modality != "CT":
        return NotCTError, not_ct_sentence({image.modality}, image.path)
    localizer = "LOCALIZER" in image.image_type
    if localizer or (_LOCALIZER.search(image.description) and len(group) <= 4):
        return NotCTError, "It is a localizer (scout view), not a CT stack; give the axial series."
    if image.samples != 1 or image.photometric == "PALETTE COLOR":
        return NotCTError, (
            "It is a colour picture without Hounsfield units; give the original CT series."
        )
    if broken is not None:
        return UnreadableError, f"File '{broken.path.name}' {broken.damage}; copy the series again."
    if not all(s.image.has_pixels for s in group) or not image.rows or not image.columns:
        return UnreadableError, (
            f"File '{image.path.name}' has no pixel data; give the CT images themselves."
        )
    return IntensityError, _other_quantity(image)


def _other_quantity(image: StoredImage) -> str:
    kinds = [_MAPS[value] for value in image.image_type[2:] if value in _MAPS]
    if image.rescale_type in _QUANTITIES:
        kinds.insert(0, _QUANTITIES[image.rescale_type])
    if not kinds:
        return ""
    named = "\\".join((*image.image_type, image.rescale_type)).rstrip("\\")
    return f"Its values are {kinds[0]} ({named}), not HU; give the CT series it was made from."


def not_ct_sentence(modalities: set[str], path: Path) -> str:
    found = ", ".join(sorted(m or "unknown" for m in modalities))
    return f"'{path.name}' has modality {found}, not CT; give a CT series of the chest."
