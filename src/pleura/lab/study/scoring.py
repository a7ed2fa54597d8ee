"""Every method on every scan: masks on the scan's own grid against references, scores kept.

`scores.jsonl` in the study's folder has a line a method and scan; what stands there is not computed
again as long as the method is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pleura.errors import PleuraError
from pleura.lab.evaluate import EvaluateOptions, evaluate
from pleura.lab.masks import is_picture
from pleura.lab.prepare import load_pair
from pleura.lab.sources import Pair, find_pairs
from pleura.lab.store import Scan, Store
from pleura.lab.study.config import DataSet
from pleura.lab.study.methods import Method
from pleura.lab.study.scores import ScanScore
from pleura.volume import Mask, Volume


@dataclass(frozen=True)
class Case:
    """A scan of a data set with its reference; who it is stands in the store."""

    data: DataSet
    pair: Pair
    scan: Scan

    def load(self) -> tuple[Volume, Mask]:
        """The volume, and the reference on its grid in pleura's numbers, as training has it."""
        labelled = load_pair(self.pair)
        return labelled.volume, labelled.mask()


def cases(store: Store, data: Iterable[DataSet]) -> list[Case]:
    """All scans of the data sets that are in the store, in the store's order."""
    found = []
    for each in data:
        _, listed = find_pairs(each.search(), each.layout)
        by_name = {pair.name: pair for pair in listed.pairs}
        found += [
            Case(each, by_name[scan.name], scan)
            for scan in store.scans
            if scan.source == each.name and scan.name in by_name
        ]
    return found


class Scores:
    """The file of scores: `has`, `add`, `of`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[tuple[str, str, str], ScanScore] = {}
        if path.exists():
            # A line without its end was cut off by a kill.
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            for line in (line for line in lines if line.endswith("\n")):
                entry = json.loads(line)
                score = ScanScore(**entry["score"])
                self._known[entry["key"], score.set, score.name] = score
            path.write_text("".join(line for line in lines if line.endswith("\n")))

    def has(self, method: Method, case: Case) -> bool:
        return (method.key, case.data.name, case.scan.name) in self._known

    def add(self, method: Method, score: ScanScore) -> None:
        entry = {"key": method.key, "score": asdict(score)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._known[method.key, score.set, score.name] = score

    def of(self, method: Method, cases: Iterable[Case]) -> Iterator[ScanScore]:
        return (self._known[method.key, case.data.name, case.scan.name] for case in cases)


def score_all(methods: Sequence[Method], cases: Iterable[Case], scores: Scores) -> list[ScanScore]:
    """Each scan is read once and segmented by every method that has no score of it yet.

    Returns:
        The scores of these methods and cases, method by method.
    """
    done = []
    for case in cases:
        done.append(case)
        missing = [method for method in methods if not scores.has(method, case)]
        if not missing:
            continue
        volume, reference = case.load()
        for method in missing:
            scores.add(method, score_scan(method, case, volume, reference))
    return [score for method in methods for score in scores.of(method, done)]


def score_scan(method: Method, case: Case, volume: Volume, reference: Mask) -> ScanScore:
    """One method on one scan; an error becomes a score with the error's sentence."""
    scan = case.scan
    who = (method.row, method.seed, case.data.name, scan.name, scan.patient, scan.role)
    try:
        mask = method.mask_of(volume)
        options = EvaluateOptions("pleura", "pleura", merge=True)
        lungs = evaluate(mask, reference, options)["structures"]["lungs"]
    except PleuraError as error:
        return ScanScore(*who, error=str(error))
    return ScanScore(
        *who,
        has_lung=lungs["reference_ml"] > 0,
        dice=lungs["dice"],
        seed_slice_dice=lungs["seed_slice_dice"],
        # A picture knows no millimetres.
        hd95_mm=None if is_picture(case.pair.image) else lungs["hd95_mm"],
    )
