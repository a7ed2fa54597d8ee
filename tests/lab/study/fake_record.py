"""Studies with made-up numbers."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from pleura.lab.study.scores import Curve, ScanScore, StudyRecord, WorstCase

TRAINED = ("Res34 BCE", "Res18 BCE", "Res18 Dice", "Res18 Focal")
ROWS = (*TRAINED, "Threshold", "pleura lungs 0.1.0", "lungmask R231")
_ERRORS = dict(zip(ROWS, (0.011, 0.010, 0.012, 0.03, 0.018, 0.007, 0.009), strict=True))
_SCANS = {
    ("volumes", "train"): 6, ("volumes", "validation"): 2, ("volumes", "test"): 2,
    ("slices", "validation"): 12, ("slices", "test"): 30,
    ("sick_slices", "train"): 20, ("sick_slices", "validation"): 8, ("sick_slices", "test"): 14,
}  # fmt: skip
_HARDNESS = {"volumes": 1.0, "slices": 1.2, "sick_slices": 4.0}


def realistic_study(seeds: tuple[int, ...] = (0, 1), with_missing: bool = True) -> StudyRecord:
    """Seven rows, three sets, patients with several slices, one failure, one slice without lung."""
    rng = np.random.default_rng(7)
    scores = []
    missing = (("lungmask R231", "Its weights aren't here; give their path as weights."),)
    for (set_, role), n in _SCANS.items():
        for i in range(n):
            patient = f"{set_[:2]}{role[:2]}{i if set_ != 'sick_slices' else i // 2:02d}"
            hard = float(rng.lognormal(0, 0.6)) * _HARDNESS[set_]
            lung = (set_, role, i) != ("sick_slices", "validation", 3)
            for row in ROWS[: -1 if with_missing else None]:
                own = float(rng.lognormal(0, 0.12))
                for seed in seeds if row in TRAINED else (None,):
                    error = _ERRORS[row] * hard * own * float(rng.lognormal(0, 0.05))
                    failed = (row, set_, role, i, seed) == ("Threshold", "slices", "test", 4, None)
                    dice = max(0.0, 1 - error) if lung and not failed else None
                    scores.append(ScanScore(
                        row, seed, set_, f"{set_[:3]}_{role[:3]}{i:03d}", patient, role, lung,
                        dice,
                        None if failed else (1 - error * 0.7 if lung else 1.0),
                        None if dice is None else 1 + 100 * error,
                        "The scan holds no body." if failed else None,
                    ))  # fmt: skip
    return StudyRecord(
        "Encoders and losses, on a laptop", ROWS, "Res18 BCE", tuple(scores),
        tuple(_curve(row, seed, rng) for row in TRAINED for seed in seeds),
        tuple(_pictures(scores)),
        (
            ("Data", "10 volumes and 240 slices of 196 patients, split by patient."),
            ("Budget", "6,000 training slices a run, batches of 8, Adam 1e-4, 256 x 256 pixels."),
            ("Seeds", ", ".join(map(str, seeds))),
            ("Machine", "2 cores, 2 threads, no GPU; pleura 0.2.0, torch 2.13.0."),
            ("References", "Drawn by one reader: inside the pleura, vessels in, trachea out."),
        ),
        missing if with_missing else (),
        "The row's contour is orange, the reference's is blue.",
    )  # fmt: skip


def _curve(row: str, seed: int, rng: np.random.Generator) -> Curve:
    steps = np.arange(75, 751, 75)
    fall = np.exp(-steps / 140) + 0.02
    loss = _ERRORS[row] * 30 * fall * rng.lognormal(0, 0.08, steps.size)
    dice = 1 - np.minimum(0.97, _ERRORS[row] * (1 + 40 * fall) * rng.lognormal(0, 0.1, steps.size))
    best = int(steps[dice.argmax()])
    return Curve(row, seed, tuple(map(int, steps)), tuple(loss), tuple(dice), best, 512.5)


def _pictures(scores: list[ScanScore]) -> list[WorstCase]:
    pictures = []
    for row in TRAINED:
        own = [s for s in scores if s.row == row and s.role == "test" and s.dice is not None]
        worst = min(own, key=lambda score: score.dice or 0.0)
        pictures.append(
            WorstCase(row, worst.seed, "test", worst.name, worst.dice or 0.0, picture())
        )
    return pictures


def picture() -> bytes:
    """A PNG that looks a little like a chest."""
    image = Image.new("RGB", (360, 260), "black")
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 30, 340, 240), fill=(150, 150, 150))
    for x in (60, 200):
        draw.ellipse((x, 60, x + 100, 210), fill=(30, 30, 30), outline=(66, 165, 245), width=2)
        draw.ellipse((x + 3, 60, x + 98, 196), outline=(255, 152, 0), width=2)
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def tiny_study() -> StudyRecord:
    """The study that stands in the docstring of test_aggregate.py."""
    patients = {"s1": "p1", "s2": "p1", "s3": "p2", "s4": "p3"}
    numbers: dict[tuple[str, int | None], dict[str, tuple[float, float, float | None]]] = {
        # scan -> Dice, seed slice Dice, HD95
        ("Net", 1): {"s1": (0.9, 0.9, 2), "s2": (0.8, 0.6, 1), "s3": (0.6, 0.5, 5),
                     "s4": (0.5, 0.5, 9)},
        ("Net", 2): {"s1": (1.0, 0.7, 4), "s2": (0.8, 0.6, 1), "s3": (0.4, 0.5, 7)},
        ("Rule", None): {"s1": (0.9, 0.9, 2), "s2": (0.9, 0.9, 2), "s3": (0.7, 0.7, 4),
                         "s4": (0.0, 0.1, None)},
    }  # fmt: skip
    scores = [
        ScanScore(row, seed, "v", name, patients[name], "test", True, *values)
        for (row, seed), scans in numbers.items()
        for name, values in scans.items()
    ]
    scores.append(ScanScore("Net", 2, "v", "s4", "p3", "test", error="The disk was full."))
    for row, seed, slice_dice in (("Net", 1, 1.0), ("Net", 2, 0.0), ("Rule", None, 1.0)):
        scores.append(ScanScore(row, seed, "v", "s5", "p2", "test", False, None, slice_dice))
    return StudyRecord("Tiny", ("Net", "Rule"), "Rule", tuple(scores))


HOSTILE = "<script>alert('x')</script> | `a` *b* & $c$"


def hostile_study() -> StudyRecord:
    """A study whose every name is markup."""
    scores = tuple(
        ScanScore(HOSTILE, seed, HOSTILE, f"{HOSTILE} {i}", HOSTILE, "test", True, 0.9, 0.9, 1.0)
        for seed in (0, 1)
        for i in range(2)
    )
    failed = ScanScore(HOSTILE, 0, HOSTILE, "bad", HOSTILE, "test", error=HOSTILE)
    return StudyRecord(
        HOSTILE, (HOSTILE,), HOSTILE, (*scores, failed),
        (Curve(HOSTILE, 0, (1, 2), (0.5, 0.4), (0.8, 0.9), 2, 1.0),),
        (WorstCase(HOSTILE, 0, "test", HOSTILE, 0.9, picture()),),
        ((HOSTILE, HOSTILE),), ((f"missing {HOSTILE}", HOSTILE),), HOSTILE,
    )  # fmt: skip
