"""Two scans as a benchmark finds them, in numbers that are easy to check."""

from __future__ import annotations

from pathlib import Path

from pleura.lab.benchmark.accuracy import References
from pleura.lab.benchmark.aggregate import ColdRun, Outcome, WarmRun
from pleura.lab.benchmark.lungmask_environment import LungmaskEnvironment
from pleura.lab.benchmark.lungmask_tool import Lungmask, LungmaskOptions
from pleura.lab.benchmark.plan import Plan
from pleura.lab.benchmark.record import Setting
from pleura.lab.benchmark.runner import Bench, ScanResult
from pleura.lab.benchmark.tools import Floor, Pleura
from pleura.record import grid_record
from pleura.volume import Geometry

MACHINE = {
    "cpu": "Abacus 2", "cores": 2, "memory_gb": 24.0, "system": "Linux 6", "load_before": 0.1,
}  # fmt: skip
SEGMENTED = {
    "grid": grid_record(Geometry.from_parts((275, 512, 512), (1.0, 0.7, 0.7))),
    "model": {"name": "lungs", "version": "0.1.0", "sha256": "0" * 64},
    "engine": "onnxruntime", "precision": "fp32", "threads": 2,
}  # fmt: skip


def setting(weights: Path | None, random: bool = True, **machine: float) -> Setting:
    """With lungmask when there is a file of weights."""
    environment = LungmaskEnvironment("python", None, {"python": "3.11.7", "lungmask": "0.2.22"})
    options = LungmaskOptions("python", weights=None if random else weights)
    lungmask = None if weights is None else Lungmask(2, environment, weights, options)
    bench = Bench(Floor(2), Pleura(2), lungmask, References())
    command = "pleura benchmark 'my scan.nii.gz'"
    return Setting(command, {**MACHINE, **machine}, bench, Plan(repeats=2, threads=2))


def outcome(name: str, title: str, *walls: float, error: str | None = None) -> Outcome:
    cold = tuple(
        ColdRun(number, wall, 1.9 * wall, 400.04, {"postprocess": wall / 2, "other": 0.2})
        for number, wall in enumerate(walls, 1)
    )
    return Outcome(name, title, cold, None, error)


def results() -> list[ScanResult]:
    """A scan where all went well, and one where pleura failed."""
    warm = WarmRun(
        3.0, (2.0, 2.2), ({"read": 1.0, "other": 1.0}, {"read": 1.2, "other": 1.0}), 500.0
    )
    pleura = outcome("pleura", "pleura", 2.0, 4.0)
    row = {
        "reference": "one.nii.gz",
        "schemes": {"prediction": "pleura", "reference": "luna16"},
        "structures": {"lungs": {"dice": 0.98765, "hd95_mm": None, "assd_mm": 0.5, "nsd_2mm": 1.0}},
        "error": None,
    }
    good = {
        "floor": outcome("floor", "floor", 1.0, 1.0),
        "pleura": Outcome(pleura.name, pleura.title, pleura.cold, warm),
        "lungmask": outcome("lungmask", "lungmask 0.2.22, RANDOM WEIGHTS, batch 1", 100.0, 120.0),
    }
    bad = {
        "floor": outcome("floor", "floor", error="floor failed: there is no mask to write."),
        "pleura": outcome("pleura", "pleura", error="pleura failed: two.nii is no CT; give one."),
    }
    return [
        ScanResult(Path("scans/one.nii.gz"), good, SEGMENTED, {"pleura": row}),
        ScanResult(Path("two|2.nii"), bad),
    ]
