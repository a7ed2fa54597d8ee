"""What a folder of DICOM and the chosen series' headers say, before any pixel is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from pleura.errors import IntensityError, NotCTError
from pleura.findings import Finding, count_of
from pleura.read.dicom_frames import Slice
from pleura.read.dicom_kind import kind_findings
from pleura.read.dicom_series import FolderScan, Series
from pleura.read.dicom_split import differences, plane_differences

# Not worth a word beside a usable series: other modalities, scouts, maps of other quantities.
_EXPECTED = (NotCTError, IntensityError)
_DECUBITUS = {"DR": "right", "DL": "left"}
_LETTERS = {
    "L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1),
    "F": (0, 0, -1),
}  # fmt: skip
_MOST_LISTED = 3
_LEAST_SINGLES = 5  # other series of one slice each, alike: no coincidence
_AGAINST = 0.1  # cosine: a letter's own axis is at least 0.57 of the direction it leads


def folder_findings(
    scan: FolderScan, ranked: Sequence[Series], chosen: Series, wanted: str | None
) -> Iterator[Finding]:
    """Which series was taken of which, and what was left out."""
    usable = [s for s in ranked if not s.rejected]
    yield from _mixed_series(usable, chosen)
    yield from _single_slices(usable, chosen)
    if wanted is None:
        yield from _several_studies(usable, chosen)
        yield from _series_chosen(usable, chosen)
        for series in ranked:
            if series.rejected and series.modality == "CT" and series.rejection not in _EXPECTED:
                yield Finding(
                    "series_unusable",
                    "warn",
                    f"Another CT {series.name} was left out: {series.rejected}",
                )
    if scan.damaged:
        yield Finding(
            "unreadable_files",
            "warn",
            f"{count_of(len(scan.damaged), 'file')} could not be read and was left out, "
            f"such as '{scan.damaged[0]}'; copy the series again.",
        )


def _series_chosen(usable: Sequence[Series], chosen: Series) -> Iterator[Finding]:
    others = [s for s in usable if s.uid != chosen.uid]
    if not others:
        return
    listed = "; ".join(f"{_name(s, usable)}: {s.reason}" for s in others[:_MOST_LISTED])
    if len(others) > _MOST_LISTED:
        listed += f" and {len(others) - _MOST_LISTED} more"
    yield Finding(
        "series_chosen",
        "note",
        f"Of {len({s.uid for s in usable})} usable series {_name(chosen, usable)} was taken "
        f"({count_of(chosen.n_slices, 'slice')}); "
        f"not taken were {listed} (--series takes another).",
    )


def _single_slices(usable: Sequence[Series], chosen: Series) -> Iterator[Finding]:
    """Some anonymizers give each file a SeriesInstanceUID of its own."""
    if chosen.n_slices != 1:
        return
    alike = [
        s
        for s in usable
        if s.uid != chosen.uid
        and s.n_slices == 1
        and not plane_differences(chosen.slices[0], s.slices[0])
    ]
    if len(alike) >= _LEAST_SINGLES:
        yield Finding(
            "single_slices",
            "fail",
            f"Every slice has a series of its own ({len(alike) + 1} series of one slice with the "
            "same orientation, pixel spacing and size), so only one slice was segmented; give the "
            "files of the scan one SeriesInstanceUID.",
        )


def _name(series: Series, among: Sequence[Series]) -> str:
    """With its UID where others have the same number and description."""
    twins = {s.uid for s in among if s.name == series.name}
    return series.name + (f" (UID {series.uid})" if len(twins) > 1 else "")


def _several_studies(usable: Sequence[Series], chosen: Series) -> Iterator[Finding]:
    firsts = [s.slices[0].image for s in usable]
    patients = len({image.patient for image in firsts} - {""})
    studies = len({image.study for image in firsts} - {""})
    if max(patients, studies) < 2:
        return
    what = count_of(studies, "study").replace("studys", "studies")
    if patients > 1:
        what = f"{count_of(patients, 'patient')} ({what})"
    yield Finding(
        "several_studies",
        "warn",
        f"The CT series found are of {what}; {_name(chosen, usable)} was taken "
        f"({count_of(chosen.n_slices, 'slice')}), so check that it is the one meant.",
    )


def _mixed_series(usable: Sequence[Series], chosen: Series) -> Iterator[Finding]:
    others = [s for s in usable if s.uid == chosen.uid and s is not chosen]
    if not others:
        return
    words = Counter(word for other in others for word in differences(chosen.slices, other.slices))
    listed = ", ".join(f"{s.n_slices} {s.orientation}" for s in others)
    yield Finding(
        "mixed_series",
        "warn",
        f"{chosen.name[0].upper()}{chosen.name[1:]} mixes stacks that differ in "
        f"{' and '.join(words) or 'kind'}: {chosen.n_slices} {chosen.orientation} "
        f"{'slice was' if chosen.n_slices == 1 else 'slices were'} taken, {listed} left out.",
        f"only the stack of {count_of(chosen.n_slices, 'slice')}",
    )


def header_findings(chosen: Series) -> Iterator[Finding]:
    """What the chosen series' headers say of patient's position and processing."""
    first = chosen.slices[0]
    yield from _position(first)
    yield from _directions(first)
    yield from kind_findings(first.image)


def _position(first: Slice) -> Iterator[Finding]:
    """How the patient lay: PatientPosition, PS3.3 C.7.3.1.1.2."""
    position = first.image.patient_position
    side = _DECUBITUS.get(position[-2:])
    if position.endswith("P"):
        yield Finding(
            "prone",
            "note",
            f"The patient lay prone (PatientPosition {position}); sides follow the header, and "
            "volumes and densities differ from a supine scan's.",
        )
    elif side is not None:
        yield Finding(
            "decubitus",
            "note",
            f"The patient lay on the {side} side (PatientPosition {position}); sides follow the "
            "header, and the lung below is smaller and denser.",
        )


def _directions(first: Slice) -> Iterator[Finding]:
    """PatientOrientation (C.7.6.1.1.1) against ImageOrientationPatient (C.7.6.2.1.1).

    PatientPosition can't contradict the latter: C.7.3.1.1.2 has it for annotation only, without
    an exact relationship, and scanners turn the pictures of prone or feet-first patients or not.
    """
    letters = first.image.directions
    if first.orientation is None or len(letters) != 2:
        return
    for letter, name, direction in zip(
        letters, ("rows", "columns"), (first.orientation[:3], first.orientation[3:]), strict=True
    ):
        claimed = _LETTERS.get(letter[:1])
        if claimed is None or np.dot(claimed, direction) >= _AGAINST:
            continue
        found = max(_LETTERS, key=lambda key: float(np.dot(_LETTERS[key], direction)))
        yield Finding(
            "position_conflict",
            "warn",
            f"The header contradicts itself: by PatientOrientation {name} run to the patient's "
            f"{letter[:1]}, by ImageOrientationPatient to {found}; the latter was used, so check "
            "the sides.",
        )
        return
