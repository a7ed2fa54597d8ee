"""What a run predicts for the scans that it has not seen, beside their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pleura.errors import UsageError
from pleura.lab import run_folder
from pleura.lab.cross_validation import fold_runs
from pleura.lab.folds import training_and_validation
from pleura.lab.label_check import Disagreement, compare
from pleura.lab.store import Scan, Store
from pleura.lab.trained import Member, load_run
from pleura.lab.validate import autocast, lung_probability
from pleura.lab.whole_scan import WholeScan, grid_of

BoolArray = npt.NDArray[np.bool_]
_BATCH = 16


@dataclass(frozen=True)
class HeldOut:
    """A scan that a run did not train on.

    Args:
        member: the run.
        store, scan: where the scan is.
    """

    member: Member
    store: Store
    scan: Scan

    @torch.no_grad()
    def predicted(self) -> Predicted:
        """Prediction and labels on the network's grid, feet first."""
        config = self.member.config
        channels, device = config.network.channels, torch.device("cpu")
        sides = "right" in channels and "right" in self.scan.channels
        found: list[BoolArray] = []
        labelled: list[BoolArray] = []
        for images, targets in WholeScan(self.store, self.scan, config.preprocessing).batches(
            _BATCH
        ):
            with autocast(device, config.precision):
                logits = self.member.network(images)
            logits = logits.float()
            lungs = lung_probability(logits, channels) >= 0.5
            reference = targets[:, :2].sum(dim=1) >= 0.5
            ours, theirs = [lungs], [reference]
            if sides:
                is_right = logits[:, 0] >= logits[:, 1]
                ours += [lungs & is_right, lungs & ~is_right]
                right_wins = targets[:, 0] >= targets[:, 1]
                theirs += [reference & right_wins, reference & ~right_wins]
            found.append(torch.stack(ours).numpy())
            labelled.append(torch.stack(theirs).numpy())
        pixel_mm = grid_of(self.scan, config.preprocessing).pixel_mm
        spacing = self.scan.spacing_mm[0], pixel_mm, pixel_mm
        return Predicted(np.concatenate(found, 1), np.concatenate(labelled, 1), spacing)


@dataclass(frozen=True, eq=False)
class Predicted:
    """A prediction and its labels.

    Args:
        found, labelled: booleans (structures, z, h, w): lungs, and where both have sides right and
            left.
        spacing_zyx_mm: of the network's grid.
    """

    found: BoolArray
    labelled: BoolArray
    spacing_zyx_mm: tuple[float, float, float]

    def disagreement(self, scan: Scan) -> Disagreement:
        return compare(scan, self.found, self.labelled, self.spacing_zyx_mm)


def members_of(runs: Iterable[Path]) -> list[Path]:
    """The runs with weights: of a cross-validation its folds, else the run itself."""
    return [member for run in runs for member in (fold_runs(run) or [run])]


def held_out(run: Path, store: Path | None = None) -> list[HeldOut]:
    """The scans that a finished run (or fold) validated on; never those of the role test.

    Args:
        run: with a best checkpoint.
        store: where its store lies now; None: where the config says.

    Raises:
        UsageError: no finished run, no store, another split than the run was trained on, or no
            held-out scan.
    """
    member = load_run(run, "best")
    opened = Store(store or Path(member.config.store))
    split = run_folder.split_hash(opened)
    if run_folder.read_record(run).get("split", split) != split:
        raise UsageError(
            f"{run} was trained on another split of {opened.path}, so it may have seen any scan; "
            "train again, or prepare as before."
        )
    _, scans = training_and_validation(opened, member.config.folds, member.config.fold)
    if not scans:
        raise UsageError(f"{run} held no scan out; train it with folds, see docs/training.md.")
    return [HeldOut(member, opened, scan) for scan in scans]


def disagreements(
    runs: Iterable[Path], store: Path | None = None,
    progress: Callable[[list[HeldOut]], Iterable[HeldOut]] | None = None,
    look: Callable[[HeldOut, Predicted, Disagreement], None] | None = None,
) -> Iterator[Disagreement]:  # fmt: skip
    """Every held-out scan of every run, one in memory at a time.

    Args:
        runs: runs, or folders of folds.
        store: as `held_out`.
        progress: wraps the scans.
        look: called with each scan's prediction, for pictures.

    Raises:
        UsageError: as `held_out`, before any prediction.
    """
    scans = [scan for run in members_of(runs) for scan in held_out(run, store)]
    for scan in progress(scans) if progress else scans:
        predicted = scan.predicted()
        row = predicted.disagreement(scan.scan)
        if look is not None:
            look(scan, predicted, row)
        yield row
