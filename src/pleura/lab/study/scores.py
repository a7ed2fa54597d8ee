"""What a study measured: one `ScanScore` a row, seed and scan, one `Curve` a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScanScore:
    """One scan segmented by one row of the study (for trained rows: by one seed of it).

    Args:
        row: title of the row, for example "Res18 BCE".
        seed: of the training run; None for a row that isn't trained here.
        set, name, patient, role: which scan; role is train, validation or test.
        has_lung: whether the reference holds any lung. A slice without lung has no Dice to speak
            of; it counts in `seed_slice_dice` only.
        dice, hd95_mm: of both lungs together on the scan's own grid; None where undefined.
        seed_slice_dice: mean of per-slice Dice, an empty slice predicted empty counts 1.
        error: why the scan has no scores, else None.
    """

    row: str
    seed: int | None
    set: str
    name: str
    patient: str
    role: str
    has_lung: bool = True
    dice: float | None = None
    seed_slice_dice: float | None = None
    hd95_mm: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Curve:
    """How one training run went: per epoch its steps, mean training loss and validation Dice."""

    row: str
    seed: int
    steps: tuple[int, ...]
    loss: tuple[float, ...]
    validation_dice: tuple[float, ...]
    best_step: int
    seconds: float


@dataclass(frozen=True)
class WorstCase:
    """A PNG (scan with the row's contour and the reference's) of a row's worst scan of a role."""

    row: str
    seed: int | None
    role: str
    name: str
    dice: float
    png: bytes


@dataclass(frozen=True)
class StudyRecord:
    """Everything that table and page are made of.

    Args:
        title: of the page.
        rows: titles in the table's order.
        reference_row: the row that the others are tested against.
        scores, curves, pictures: see there.
        facts: what a reader must know to judge the numbers, label -> text, in order (data with
            patients by role, budget, machine, threads, versions, what the references are).
        missing: rows that were asked for but have no numbers, title -> the reason in a sentence.
        models: rows that are models trained elsewhere.
        picture_note: what the pictures show, for example which contour has which colour.
    """

    title: str
    rows: tuple[str, ...]
    reference_row: str
    scores: tuple[ScanScore, ...]
    curves: tuple[Curve, ...] = ()
    pictures: tuple[WorstCase, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    picture_note: str = ""
    models: tuple[str, ...] = ()
