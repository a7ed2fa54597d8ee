"""Prepared scan -> probabilities: which slabs the network is asked about.

A first pass looks at slabs some way apart; the others are only asked about where the first pass
saw something near. Abdomen and neck cost a quarter that way, and no slab is paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pleura.infer.engine import Engine
from pleura.postprocess import Probabilities
from pleura.preprocess import Prepared

Progress = Callable[[int, int], None]
In = TypeVar("In")
Out = TypeVar("Out")

BATCH = 8  # slabs; larger ones are no faster on a CPU and cost memory
_STEP_MM = 12.0  # between slabs of the first pass: less than the height of an apex
_SEEN = 26  # a probability of 0.1: what comes near to being lung


@dataclass(frozen=True)
class Work:
    """What the network was asked, for tests and reports that count work instead of seconds.

    Args:
        slices: of the scan.
        slabs: groups of slices that the network could have been asked about.
        inferred: slabs that it was asked about.
        pixels: that it saw, all slabs together.
    """

    slices: int
    slabs: int
    inferred: int
    pixels: int

    def to_dict(self) -> dict[str, int]:
        """As a result's record has it."""
        return asdict(self)


def infer(
    prepared: Prepared, engine: Engine, kept: Sequence[int], progress: Progress | None = None,
    everywhere: bool = False,
) -> tuple[Probabilities, Work]:  # fmt: skip
    """Probabilities on the network's grid, 0 where the network wasn't asked.

    Args:
        prepared, engine: the scan and the network.
        kept: indices of the network's channels that are wanted.
        progress: called with (slices done, slices).
        everywhere: ask about every slab.

    Returns:
        (channels kept, slabs, h, w), 0 to 255, and what it took. Errors are the engine's.
    """
    slabs = prepared.slabs
    out = np.zeros((len(kept), len(slabs), *prepared.grid.shape), dtype=np.uint8)
    asked: list[int] = []
    if prepared.has_body:  # a network asked about nothing answers anything
        answers = _Answers(prepared, engine, kept, out)
        slab_mm = slabs.thickness * prepared.geometry.spacing_zyx_mm[0]
        asked = list(range(len(slabs))) if everywhere else first_pass(len(slabs), slab_mm)
        answers.add(asked, progress)
        others = others_near(asked, out[:, asked].max(axis=(0, 2, 3)) >= _SEEN)
        answers.add(others, progress)
        asked = [*asked, *others]
        if progress is not None and len(asked) < len(slabs):
            progress(slabs.slices, slabs.slices)
    return out, Work(slabs.slices, len(slabs), len(asked), len(asked) * out[0, 0].size)


@dataclass
class _Answers:
    """The network's answers, filled in batch by batch."""

    prepared: Prepared
    engine: Engine
    kept: Sequence[int]
    out: Probabilities
    done: int = 0

    def add(self, slabs: Sequence[int], progress: Progress | None) -> None:
        parts = [slabs[start : start + BATCH] for start in range(0, len(slabs), BATCH)]
        grouping = self.prepared.slabs
        for part, batch in zip(parts, one_ahead(self.prepared.batch, parts), strict=True):
            answers = self.engine(batch)[:, self.kept] * np.float32(255)
            self.out[:, part] = np.rint(answers).swapaxes(0, 1)
            self.done += len(part)
            if progress is not None:
                progress(grouping.bounds(self.done - 1)[1], grouping.slices)


def one_ahead(make: Callable[[In], Out], items: Sequence[In]) -> Iterator[Out]:
    """`map`, but the next item is made on another thread while the caller uses this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(make, item) for item in items[:1]]
        for item in items[1:]:
            ready = coming.pop().result()
            coming.append(pool.submit(make, item))
            yield ready
        for last in coming:
            yield last.result()


def first_pass(slabs: int, slab_mm: float) -> list[int]:
    """Slabs of the first pass: about 12 mm apart, the last one always among them."""
    step = max(1, int(_STEP_MM / slab_mm))
    return sorted({*range(0, slabs, step), slabs - 1})


def others_near(first: Sequence[int], positive: npt.NDArray[np.bool_]) -> list[int]:
    """Slabs between a positive slab of the first pass and its neighbours in it."""
    wanted: set[int] = set()
    for place in map(int, np.flatnonzero(positive)):
        before, after = max(0, place - 1), min(len(first) - 1, place + 1)
        wanted.update(range(first[before], first[after] + 1))
    return sorted(wanted - set(first))
