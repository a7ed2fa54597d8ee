"""`pleura pseudo-label`: unlabelled scans -> labels that a model drew, if its verdict lets them in.

OUT/imagesTr/NAME.nii.gz   HU as pleura read them
OUT/labelsTr/NAME.nii.gz   LUNA16's numbers: 3 left, 4 right, 5 airways
OUT/dataset.json           what the numbers mean
OUT/pseudo_labels.csv      a line a scan, kept or not; `pleura prepare` takes those that were kept

Self-training: Lee 2013 (pseudo-labels), Xie et al. 2020 (a student of filtered ones).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from pleura.errors import OutputError, UsageError, as_pleura_error
from pleura.findings import count_of
from pleura.lab.finding_codes import codes_of
from pleura.lab.pseudo_label_table import TABLE, PseudoLabel, read_pseudo_labels, write_table
from pleura.lab.sources.layout import LeftOut
from pleura.lab.unlabelled import unlabelled_scans
from pleura.labels import AIRWAYS, LEFT, RIGHT, SCHEMES
from pleura.quality import Quality
from pleura.record import SCHEMA_VERSION
from pleura.result import Result
from pleura.segmenter import Segmenter, SegmentOptions
from pleura.volume import LabelArray, Mask, Volume, nibabel_image
from pleura.write import write_mask
from pleura.write.atomic import make_folder, staging, write_bytes

Progress = Callable[[Iterable[str]], Iterable[str]]
ACCEPTED = {"pass": ("pass",), "warn": ("pass", "warn")}
IMAGES, LABELS = "imagesTr", "labelsTr"
_LUNA16 = SCHEMES["luna16"]


@dataclass(frozen=True)
class PseudoLabels:
    """What a call of `pseudo_label` gives.

    Args:
        folder: where everything lies.
        accept: the worst verdict that was let in.
        rows: every scan of this call, by name.
        done_before: how many of them an earlier call had done.
        left_out: scans that could not even be named.
    """

    folder: Path
    accept: str
    rows: tuple[PseudoLabel, ...]
    done_before: int
    left_out: tuple[LeftOut, ...]

    @property
    def kept(self) -> int:
        return sum(row.kept for row in self.rows)

    def record(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "schema_version": SCHEMA_VERSION,
            "output": str(self.folder),
            "accept": self.accept,
            "kept": self.kept,
            "done_before": self.done_before,
            "scans": [{**vars(row)} for row in self.rows],
            "left_out": [{"name": left.name, "reason": left.reason} for left in self.left_out],
        }

    def summary(self) -> str:
        """For people: what was kept."""
        before = f" ({self.done_before} done before)" if self.done_before else ""
        return f"{self.kept} of {count_of(len(self.rows), 'scan')} kept{before}; {self.folder}"


def pseudo_label(
    scans: Sequence[Path], folder: Path, segmenter: Segmenter, accept: str = "pass",
    progress: Progress | None = None,
) -> PseudoLabels:  # fmt: skip
    """Segment unlabelled scans and keep those whose verdict lets them in.

    A scan that can't be used is a line in the table and never stops the others. What an earlier
    call did with the same model isn't repeated, unless the other `accept` changes it; scans that
    failed are tried again.

    Args:
        scans: files and folders, see `unlabelled_scans`.
        folder: OUT; new, empty, or one of an earlier call.
        segmenter: the teacher, with sides.
        accept: "pass", or "warn" to let warnings in, too.
        progress: wraps the names of scans to do.

    Raises:
        UsageError: nothing to do, a model without sides, another folder than above, a scan in it.
        OutputError: the disk's trouble.
    """
    if accept not in ACCEPTED:
        raise UsageError(f"--accept must be one of {', '.join(ACCEPTED)}, not '{accept}'.")
    spec = segmenter.folder.spec
    if "right" not in spec.channels:
        raise UsageError(
            f"The model '{spec.name}' knows no sides, which training needs; name another."
        )
    found, left_out = unlabelled_scans(scans)
    if not found:
        raise UsageError(f"There is no scan in {', '.join(map(str, scans))}; check the paths.")
    _check_outside(found.values(), folder)
    table = _table_of(folder)
    found, taken = _of_known_names(found, table)
    teacher = f"{spec.name} {spec.version} {spec.sha256['main'][:12]}"
    todo = [
        name for name, path in found.items()
        if not _is_done(table.get(name), _line(name, path, teacher), folder, accept)
    ]  # fmt: skip
    for part in (IMAGES, LABELS):
        make_folder(folder / part)
    write_bytes(folder / "dataset.json", _dataset(spec.channels).encode())
    _ = segmenter.engine  # a damaged network is no scan's fault, so it raises
    options = SegmentOptions(airways="airways" in spec.channels)
    for name in progress(todo) if progress else todo:
        row = _line(name, found[name], teacher)
        try:
            result = segmenter.segment(found[name], options)
            row = _judged(row, result, accept)
            if row.kept:
                _write(result.volume, result.mask, folder, name)
        except OutputError:  # the disk's trouble is every scan's
            raise
        except Exception as error:  # whatever a damaged file does to a library
            row = _line(name, found[name], teacher, str(as_pleura_error(error)))
        table[name] = row
        write_table(table.values(), folder)
        if not row.kept:  # an earlier call may have kept it
            for part in (IMAGES, LABELS):
                _file(folder, part, name).unlink(missing_ok=True)
    rows = tuple(table[name] for name in found)
    return PseudoLabels(folder, accept, rows, len(found) - len(todo), (*left_out, *taken))


def _check_outside(scans: Iterable[Path], folder: Path) -> None:
    """Raise UsageError for a scan in OUT, which a call may overwrite or remove."""
    for scan in scans:
        if scan.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{scan} lies in {folder}, which is written to; name another folder.")


def _of_known_names(
    found: Mapping[str, Path], table: Mapping[str, PseudoLabel]
) -> tuple[dict[str, Path], list[LeftOut]]:
    """The scans but those whose name an earlier call's scan has, and these.

    A scan that isn't any longer where it was may have been moved.
    """
    mine, taken = {}, []
    for name, path in found.items():
        before = table[name].scan if name in table else ""
        if before and before != str(path.resolve()) and Path(before).exists():
            taken.append(LeftOut(name, f"{path} has the name of {before}; rename one"))
        else:
            mine[name] = path
    return mine, taken


def _table_of(folder: Path) -> dict[str, PseudoLabel]:
    """What earlier calls did in OUT; makes an empty table. Raises as `pseudo_label`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the pseudo-labels.")
    if (folder / TABLE).exists():
        return {row.name: row for row in read_pseudo_labels(folder)}
    if folder.is_dir() and any(path.name[0] != "." for path in folder.iterdir()):
        raise UsageError(f"{folder} isn't empty and holds no pseudo-labels; name another folder.")
    make_folder(folder)
    write_table((), folder)
    return {}


def _line(name: str, scan: Path, teacher: str, reason: str = "") -> PseudoLabel:
    return PseudoLabel(name, str(scan.resolve()), teacher, reason=reason)


def _is_done(before: PseudoLabel | None, now: PseudoLabel, folder: Path, accept: str) -> bool:
    if before is None or not before.verdict:
        return False
    if (before.scan, before.model) != (now.scan, now.model):
        return False
    if before.kept != (before.verdict in ACCEPTED[accept]):
        return False
    return not before.kept or all(
        _file(folder, part, before.name).is_file() for part in (IMAGES, LABELS)
    )


def _judged(row: PseudoLabel, result: Result, accept: str) -> PseudoLabel:
    quality, volumes = result.quality, result.volumes_ml
    entropy = float("nan") if quality.measures is None else quality.measures.edge_entropy
    kept = quality.verdict in ACCEPTED[accept]
    return PseudoLabel(
        row.name, row.scan, row.model, quality.verdict, codes_of(quality.findings),
        None if isnan(entropy) else round(entropy, 4),
        round(volumes["right"], 1), round(volumes["left"], 1),
        kept, "" if kept else _why_not(quality),
    )  # fmt: skip


def _why_not(quality: Quality) -> str:
    """The first finding that made the verdict."""
    worst = next(found for found in quality.findings if found.severity == quality.verdict)
    return f"verdict {quality.verdict}: {worst.message}"


def _write(volume: Volume, mask: Mask, folder: Path, name: str) -> None:
    """Image, then labels: what is cut off between the two is no pair, nor an older one's half."""
    image, drawn = _file(folder, IMAGES, name), _file(folder, LABELS, name)
    drawn.unlink(missing_ok=True)
    with staging(image) as staged:
        picture = nibabel_image(volume.array, volume.geometry, volume.header)
        picture.to_filename(staged / image.name)
    numbers = np.zeros(AIRWAYS + 1, dtype=np.uint8)
    (numbers[RIGHT],), (numbers[LEFT],) = _LUNA16.right, _LUNA16.left
    (numbers[AIRWAYS],) = _LUNA16.airways
    labels: LabelArray = numbers[mask.array]
    write_mask(Mask(labels, mask.geometry, {}, mask.header), drawn)


def _file(folder: Path, part: str, name: str) -> Path:
    return folder / part / f"{name}.nii.gz"


def _dataset(channels: Sequence[str]) -> str:
    """dataset.json in nnU-Net's words, so that no reader has to guess the numbers."""
    names = {"right": "right lung", "left": "left lung", "airways": "trachea"}
    numbers = {names[channel]: getattr(_LUNA16, channel)[0] for channel in channels}
    table = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **numbers},
        "file_ending": ".nii.gz",
    }
    return json.dumps(table, indent=1)
