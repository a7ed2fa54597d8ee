"""Dice of the airways by threshold, to choose a model's `airways_threshold` on validation volumes.

    python -m benchmarks.airways ../shared/data --model models/mine

DATA is as for benchmarks/accuracy.py. Where main bronchi end is convention, so Dice is about 0.9 at
best.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.accuracy import arguments_of, cases, segmenter_of
from pleura import SegmentOptions
from pleura.lab.metrics import dice
from pleura.lab.prepare import load_pair
from pleura.labels import AIRWAYS

THRESHOLDS = (0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


def main() -> None:
    arguments = arguments_of(__doc__).parse_args()
    segmenter = segmenter_of(arguments)
    folder = segmenter.folder
    print(f"| volume | {' | '.join(map(str, THRESHOLDS))} |")
    print(f"|---{'|---' * len(THRESHOLDS)}|")
    for case in cases(arguments.data, arguments.roles):
        if case.set_name != "volumes":
            continue
        labelled = load_pair(case.pair)
        reference, cells = labelled.mask().array == AIRWAYS, []
        for threshold in THRESHOLDS:
            spec = replace(folder.spec, airways_threshold=threshold)
            segmenter.folder = replace(folder, spec=spec)
            mask = segmenter.segment(labelled.volume, SegmentOptions(airways=True)).mask
            cells.append(f"{dice(mask.array == AIRWAYS, reference):.3f}")
        print(f"| {case.pair.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
