"""Whatever can segment a scan for a study's row: exported models, the baseline, lungmask."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pleura.classical import classical_lungs
from pleura.errors import UsageError
from pleura.infer.model_folder import open_model, sha256_of
from pleura.segmenter import Segmenter, SegmentOptions
from pleura.volume import Mask, Volume, sitk_image

BASELINE_TITLE = "Threshold baseline"
LUNGMASK_TITLE = "lungmask R231"
_BASELINE_VERSION = "1"  # raise it when `classical` changes what it finds


class Method(Protocol):
    """A row's way from a volume to a mask with pleura's labels (or merged ones).

    `key` tells one method from another, so that its scores are kept as long as it is the same.
    """

    @property
    def row(self) -> str: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def key(self) -> str: ...

    def mask_of(self, volume: Volume) -> Mask: ...


@dataclass(frozen=True)
class ModelMethod:
    """A model folder, or a bundled model; loaded at its first scan."""

    row: str
    seed: int | None
    model: str | Path
    threads: int = 0

    @property
    def key(self) -> str:
        spec = open_model(self.model).spec
        rules = {
            **asdict(spec.preprocessing), "threshold": spec.threshold,
            "postprocessing": spec.postprocessing, "channels": spec.channels,
        }  # fmt: skip
        return f"{spec.sha256['main']} {json.dumps(rules, sort_keys=True)}"

    @cached_property
    def _segmenter(self) -> Segmenter:
        # In fp32, which every CPU has: "auto" takes bf16 or int8 where there is one, and a study's
        # table would depend on who computed it.
        return Segmenter(self.model, threads=self.threads, precision="fp32")

    def mask_of(self, volume: Volume) -> Mask:
        return self._segmenter.segment(volume, SegmentOptions(merge=True)).mask


@dataclass(frozen=True)
class BaselineMethod:
    """The classical threshold method of `classical`."""

    row: str = BASELINE_TITLE
    seed: int | None = None
    key: str = f"baseline {_BASELINE_VERSION}"

    def mask_of(self, volume: Volume) -> Mask:
        return classical_lungs(volume)


@dataclass(frozen=True)
class LungmaskMethod:
    """lungmask's R231 (Hofmanninger et al. 2020) from a weights file that the user gives.

    Raises:
        UsageError: the package or the weights aren't there.
    """

    weights: Path
    row: str = LUNGMASK_TITLE
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.weights.is_file():
            raise UsageError(
                f"There are no lungmask weights at {self.weights}; correct lungmask_weights."
            )
        self._inferer_class()

    @cached_property
    def key(self) -> str:
        return f"lungmask {sha256_of(self.weights)}"

    @staticmethod
    def _inferer_class() -> Callable[..., Any]:
        try:
            from lungmask import LMInferer
        except ImportError as error:
            raise UsageError(
                "lungmask isn't installed; `pip install lungmask`, or drop lungmask_weights."
            ) from error
        inferer: Callable[..., Any] = LMInferer
        return inferer

    @cached_property
    def _inferer(self) -> Any:
        return self._inferer_class()(
            modelname="R231", modelpath=str(self.weights), tqdm_disable=True
        )

    def mask_of(self, volume: Volume) -> Mask:
        labels = self._inferer.apply(sitk_image(volume.array, volume.geometry))
        return Mask(np.asarray(labels, dtype=np.uint8), volume.geometry)
