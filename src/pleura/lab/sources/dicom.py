"""DICOM CT with masks in SEG or RTSTRUCT files, in any tree.

A mask belongs to the CT series that it refers to (SeriesInstanceUID, else the slices'
SOPInstanceUIDs, else the only series of its FrameOfReferenceUID), never to one that merely lies
beside it. A scan is named by its SeriesInstanceUID. Its patient is told by the PatientID (a hash of
it), or by the study where that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pleura.errors import UsageError
from pleura.lab.dicom_masks import DicomMasks
from pleura.lab.mask_objects import MaskObject, References, describe
from pleura.lab.sources.dicom_index import CTSeries, DicomIndex, holds_dicom, index
from pleura.lab.sources.layout import Found, Layout, LeftOut, Pair, Search
from pleura.lab.structures import CHANNEL_OF, lungs_missing

_MOST_LISTED = 5


def _find(search: Search) -> Found:
    if search.labels is not None:
        raise UsageError("--labels doesn't go with DICOM, whose segments are named; leave it out.")
    dicom = index((search.source, *search.more_images))
    if not dicom.masks:
        raise UsageError(f"{search.source} has no DICOM SEG and no RTSTRUCT file; add the masks.")
    left_out = [LeftOut(_shown(p, search), "its header can't be read") for p in dicom.damaged]
    masks: dict[str, list[MaskObject]] = {}
    for path in dicom.masks:
        try:
            found = describe(path)
        except Exception:  # pydicom raises many kinds on a damaged header
            left_out.append(LeftOut(_shown(path, search), "its header can't be read"))
            continue
        series, reason = _scan_of(found.references, dicom)
        if not found.structures:
            reason = f"no lung among what it holds ({_listed(found.others) or 'nothing'})"
        if reason or series is None:
            left_out.append(LeftOut(_shown(path, search), reason))
        else:
            masks.setdefault(series.uid, []).append(found)
    patients, about_patients = _patients(dicom)
    pairs = []
    for uid, series in sorted(dicom.series.items()):
        if uid not in masks:
            left_out.append(LeftOut(uid, "a CT series without a mask that can be used"))
            continue
        chosen, others = _chosen(masks[uid])
        left_out += [
            LeftOut(_shown(o.path, search), f"{_shown(chosen[0].path, search)} was taken for {uid}")
            for o in others
        ]
        missing = lungs_missing(name for found in chosen for name in found.structures)
        if missing:
            left_out.append(LeftOut(uid, f"no mask of {missing} in {_names(chosen, search)}"))
            continue
        unused = _listed([name for found in chosen for name in found.others])
        labels = DicomMasks(tuple(chosen), (f"not used: {unused}",) if unused else ())
        pairs.append(Pair(uid, series.files[0].parent, labels, series, patients[uid]))
    return Found(tuple(pairs), tuple(left_out), about_patients=about_patients)


def _patients(dicom: DicomIndex) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """SeriesInstanceUID -> patient (None: unknown), and what is to be said about that.

    One PatientID for all studies is what anonymised data may have, so it tells no patients apart.
    """
    every = dicom.series.values()
    studies, ids = {series.study for series in every}, {series.patient for series in every}
    shared = len(studies) > 1 and len(ids) == 1 and "" not in ids
    patients = {
        s.uid: (s.study or None) if shared else (s.patient or s.study or None) for s in every
    }
    if shared:
        words = f"All {len(studies)} DICOM studies have one PatientID, as anonymised ones may"
    elif "" in ids:
        nameless = {series.study for series in every if not series.patient}
        words = f"{len(nameless)} of {len(studies)} DICOM studies lack a PatientID"
    else:
        return patients, ()
    return patients, (
        f"{words}, so each of them counts as a patient; where a patient has several, say so by "
        "--patients.",
    )


def _scan_of(references: References, dicom: DicomIndex) -> tuple[CTSeries | None, str]:
    """The series that a mask was drawn on, or why there is none."""
    by_instance = {
        dicom.series_of_instance[uid]
        for uid in references.instances
        if uid in dicom.series_of_instance
    }
    found = set(references.series & dicom.series.keys())
    if found and by_instance:
        if not found & by_instance:
            return None, f"it names series {found.pop()}, but slices of {by_instance.pop()}"
        found &= by_instance
    found = found or by_instance
    if not found and references.frame_of_reference:
        found = {
            uid
            for uid, series in dicom.series.items()
            if series.frame_of_reference == references.frame_of_reference
        }
    if not found:
        return None, "the CT it was drawn on isn't here"
    if len(found) > 1:
        return None, f"it fits several CT series ({_listed(sorted(found))})"
    return dicom.series[found.pop()], ""


def _chosen(candidates: Sequence[MaskObject]) -> tuple[list[MaskObject], list[MaskObject]]:
    """The masks to use for one scan, and the others.

    The first is one with both lungs, with the most structures, SEG before RTSTRUCT. Others are
    added only where they bring what it lacks: a lung, or the airways.
    """
    first, *rest = sorted(
        candidates,
        key=lambda m: (lungs_missing(m.structures) != "", -len(_channels(m)), not m.is_seg, m.path),
    )
    chosen, others = [first], []
    have = set(first.structures)
    for mask in rest:
        new = not have & mask.structures.keys()
        if new and (lungs_missing(have) or _channels(mask) == {"airways"}):
            chosen.append(mask)
            have |= mask.structures.keys()
        else:
            others.append(mask)
    return chosen, others


def _channels(mask: MaskObject) -> set[str]:
    return {CHANNEL_OF[name] for name in mask.structures}


def _shown(path: Path, search: Search) -> str:
    inside = path.is_relative_to(search.source)
    return str(path.relative_to(search.source) if inside else path)


def _names(masks: Iterable[MaskObject], search: Search) -> str:
    return " and ".join(_shown(mask.path, search) for mask in masks)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


LAYOUT = Layout(
    "dicom", "DICOM with SEG or RTSTRUCT",
    "any tree of DICOM CT series with the SEG or RTSTRUCT files drawn on them",
    holds_dicom, _find,
)  # fmt: skip
