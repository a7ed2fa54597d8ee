"""Which engine computes, in which precision: one table, and why a wish can't be had."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pleura.errors import ModelError, UsageError

ENGINES = ("auto", "openvino", "onnxruntime")
PRECISIONS = ("auto", "fp32", "bf16", "int8")
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class EngineOptions:
    """What is wanted of inference.

    Args:
        name: one of ENGINES; "auto" takes the fastest that works here.
        precision: one of PRECISIONS; "auto" takes the fastest that model and CPU have.
        threads: on the CPU; 0 takes all cores.
        device: one of DEVICES; "cuda" needs onnxruntime-gpu.

    Raises:
        UsageError: any other value.
    """

    name: str = "auto"
    precision: str = "auto"
    threads: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("engine", self.name, ENGINES),
            ("precision", self.precision, PRECISIONS),
            ("device", self.device, DEVICES),
        ):
            if value not in known:
                raise UsageError(f"Unknown {what} '{value}'; choose one of {', '.join(known)}.")
        if self.threads < 0:
            raise UsageError(f"Threads must be 0 (all cores) or more, not {self.threads}.")


@dataclass(frozen=True)
class Choice:
    """An engine and its precision."""

    engine: str
    precision: str

    @property
    def role(self) -> str:
        """The model's file that it computes."""
        return "int8" if self.precision == "int8" else "main"


# The fastest first, by benchmarks/engines.py on a CPU with VNNI and bf16 (docs/performance.md).
FASTEST_FIRST = {
    "cpu": (
        Choice("openvino", "int8"),
        Choice("openvino", "bf16"),
        Choice("onnxruntime", "int8"),
        Choice("openvino", "fp32"),
        Choice("onnxruntime", "fp32"),
    ),
    "cuda": (Choice("onnxruntime", "fp32"),),
}


class EngineUnavailableError(UsageError):
    """An engine that is not installed or doesn't run on this machine."""


def choices(
    options: EngineOptions, files: Collection[str], features: Collection[str]
) -> list[Choice]:
    """What fits the wish, the model and the CPU; the fastest first.

    Args:
        options: the wish.
        files: roles of the model's files ("main", "int8").
        features: of the CPU, see `cpu.cpu_features`.

    Raises:
        ModelError: there is no "main" network, which every model has.
        UsageError: nothing fits.
    """
    if "main" not in files:
        raise ModelError("The model lacks its 'main' network; install or export it again.")
    rows = [
        row
        for row in FASTEST_FIRST[options.device]
        if options.name in ("auto", row.engine) and options.precision in ("auto", row.precision)
    ]
    if not rows:
        known = ", ".join(f"{r.engine} {r.precision}" for r in FASTEST_FIRST[options.device])
        raise UsageError(
            f"Engine '{options.name}' with precision '{options.precision}' doesn't exist on "
            f"{options.device}; there it is one of: {known}."
        )
    faults = [_fault(row, files, features) for row in rows]
    if all(faults):
        raise UsageError(faults[0])
    return [row for row, fault in zip(rows, faults, strict=True) if not fault]


def _fault(row: Choice, files: Collection[str], features: Collection[str]) -> str:
    """Why a row can't be used, empty if it can."""
    if row.role not in files:
        return (
            f"This model has no {row.role} network; choose another precision, or make one by "
            "`pleura export --int8`."
        )
    needed = {"int8": ("vnni", "8-bit (VNNI)"), "bf16": ("bf16", "bf16")}.get(row.precision)
    if needed is not None and needed[0] not in features:
        return f"This CPU isn't known to have {needed[1]} arithmetic; choose precision fp32."
    return ""
