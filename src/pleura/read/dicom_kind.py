"""Is a CT image the scanner's own, or was it made from others? By ImageType, SOP class and name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pleura.findings import Finding
from pleura.read.dicom_frames import StoredImage
from pleura.read.dicom_headers import SECONDARY_CAPTURE

_DERIVED_TYPES = frozenset({"DERIVED", "SECONDARY", "MPR", "REFORMATTED", "PERFUSION"})
_PROJECTIONS = frozenset({"MIP", "MINIP", "VRT", "PROJECTION"})
_PROJECTION_NAME = re.compile(r"\b(mip|minip|vrt)\b", re.IGNORECASE)
_REFORMAT_NAME = re.compile(r"\b(mpr|reformat\w*)\b", re.IGNORECASE)
# Images in HU that were computed from two energies (PS3.3 C.8.2.1.1.1).
_COMPUTED_HU = {
    "VMI": "virtual monoenergetic",
    "MAT_REMOVED": "without one material",
    "MAT_MODIFIED": "with one material altered",
}


def is_derived(image: StoredImage) -> bool:
    """An original is to be preferred where there is one."""
    return (
        bool(_DERIVED_TYPES.intersection(image.image_type))
        or is_capture(image)
        or is_projection(image)
        or _REFORMAT_NAME.search(image.description) is not None
    )


def is_projection(image: StoredImage) -> bool:
    return (
        bool(_PROJECTIONS.intersection(image.image_type))
        or _PROJECTION_NAME.search(image.description) is not None
    )


def is_capture(image: StoredImage) -> bool:
    return image.sop_class.startswith(SECONDARY_CAPTURE)


def kind_findings(image: StoredImage) -> Iterator[Finding]:
    """What isn't a scanner's own plain CT, in words."""
    types = "\\".join(image.image_type) or image.description
    if is_projection(image):
        yield Finding(
            "derived_series",
            "warn",
            f"The images are projections or renderings ({types}), in which lung has other edges "
            "and densities; give the slices they were made from.",
        )
    elif is_capture(image):
        yield Finding(
            "derived_series",
            "warn",
            f"The images are secondary captures ({types}), which may hold no true HU.",
        )
    elif "DERIVED" in image.image_type and not image.lossy:
        yield Finding(
            "derived_series",
            "note",
            f"The images were made from others ({types}), so fine detail may be smoothed.",
        )
    computed = [_COMPUTED_HU[value] for value in image.image_type[2:] if value in _COMPUTED_HU]
    if image.rescale_type == "HU_MOD":
        computed.append("modified")
    if computed:
        yield Finding(
            "modified_hu",
            "note",
            f"The HU are {computed[0]} ({types}), computed from several energies; "
            "densities differ from a plain CT's.",
        )
