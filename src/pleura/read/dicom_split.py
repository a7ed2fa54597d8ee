"""Slices of all files -> groups that can be one stack each.

Export tools and anonymizers put two scans under one SeriesInstanceUID: another patient, study,
frame of reference, position or orientation is another scan. But they also leave such attributes
empty in some files, or invent them anew for each file; neither says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pleura.read.dicom_frames import Slice

_SAME_DIRECTION = 2e-3
_SAME_SPACING_MM = 1e-3

# What must be equal within a scan, and what to call it.
_MARKS: dict[str, Callable[[Slice], str]] = {
    "patient": lambda s: s.image.patient,
    "study": lambda s: s.image.study,
    "frame of reference": lambda s: s.image.frame_of_reference,
    "patient position": lambda s: s.image.patient_position,
    "StackID": lambda s: s.stack,
}


def split(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Group by series, then by everything that must be equal within one stack."""
    by_series: dict[tuple[str, str], list[Slice]] = {}
    for item in slices:
        by_series.setdefault((item.image.series_uid, item.image.modality), []).append(item)
    return [group for series in by_series.values() for group in _stacks(series)]


def _stacks(series: Sequence[Slice]) -> list[list[Slice]]:
    telling = [mark for mark in _MARKS.values() if _tells(series, mark)]
    groups: dict[object, list[list[Slice]]] = {}
    for item in series:
        image = item.image
        key = (
            image.rows, image.columns, image.samples, "LOCALIZER" in image.image_type,
            *(mark(item) for mark in telling),
        )  # fmt: skip
        alike = groups.setdefault(key, [])
        for group in alike:
            if not _unlike(group[0], item):
                group.append(item)
                break
        else:
            alike.append([item])
    return [group for alike in groups.values() for group in alike]


def _tells(series: Sequence[Slice], mark: Callable[[Slice], str]) -> bool:
    """Whether a mark separates scans: it has several values, and not one for each slice."""
    found = [mark(item) for item in series]
    different = set(found)
    return len(different - {""}) > 1 and len(different) < max(len(found), 3)


def differences(a: Sequence[Slice], b: Sequence[Slice]) -> list[str]:
    """In what two groups of one series differ, in words."""
    first, second = a[0], b[0]
    words = [
        name
        for name, mark in _MARKS.items()
        if mark(first) and mark(second) and mark(first) != mark(second)
    ]
    return words + plane_differences(first, second)


def plane_differences(a: Slice, b: Slice) -> list[str]:
    """In what two planes differ so that they can't be slices of one stack, in words."""
    size = (a.image.rows, a.image.columns) != (b.image.rows, b.image.columns)
    return ["size"] * size + _unlike(a, b)


def _unlike(a: Slice, b: Slice) -> list[str]:
    """In what two planes differ that stacked slices share."""
    return [
        name
        for name, left, right, tolerance in (
            ("orientation", a.orientation, b.orientation, _SAME_DIRECTION),
            ("pixel spacing", a.pixel_spacing, b.pixel_spacing, _SAME_SPACING_MM),
        )
        if not _alike(left, right, tolerance)
    ]


def _alike(
    left: tuple[float, ...] | None, right: tuple[float, ...] | None, tolerance: float
) -> bool:
    if left is None or right is None:
        return left is right
    return max(abs(p - q) for p, q in zip(left, right, strict=True)) <= tolerance
