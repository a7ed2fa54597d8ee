"""What painted disease looks like: each disease of lab.disease in two slices, before and after.

    python -m benchmarks.painted_disease ../shared/data docs/images/painted-disease.png

Takes the middle of each lidc volume, which may be shown; the line is the border of what is lung.
"""

from __future__ import annotations

import argparse
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.accuracy import cases
from benchmarks.synthetic_disease import Known
from pleura import PleuraError
from pleura.lab.disease import DISEASES, Chest, Field, around_lungs, with_disease
from pleura.write.atomic import write_bytes

SEED = 7
WINDOW_HU = (-1000.0, 250.0)
HEIGHT, WIDTH = 176, 250

Pixels = npt.NDArray[np.uint8]


def tile(hu: Field, lung: Field) -> Pixels:
    """(HEIGHT, WIDTH, 3): a slice (y, x) with the border of its lungs."""
    low, high = WINDOW_HU
    grey = (np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    inside = lung >= 0.5
    border = (inside != np.roll(inside, 1, axis=0)) | (inside != np.roll(inside, 1, axis=1))
    rgb[border] = (255, 80, 60)
    image = Image.fromarray(rgb)
    image.thumbnail((WIDTH, HEIGHT))
    out = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    small = np.asarray(image)
    out[: small.shape[0], : small.shape[1]] = small
    return out


def pair(known: Known, disease: str, seed: int) -> list[Pixels]:
    """The slice in the middle of the lungs, before and after."""
    filled = np.flatnonzero(known.lungs.any(axis=(1, 2)))
    z = int(filled[len(filled) // 2])
    spacing = known.volume.geometry.spacing_zyx_mm
    lungs = known.lungs[z : z + 1]
    box = around_lungs(lungs, spacing)
    hu = known.volume.array[z : z + 1].astype(np.float32)[box]
    sick = with_disease(
        Chest(hu, lungs[box], spacing, np.random.default_rng((SEED, seed))), [disease]
    )
    before = lungs[box][0]
    return [tile(hu[0], before), tile(sick.hu[0], before * sick.still_lung[0])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    try:
        shown = [case for case in cases(options.data, ["train"]) if case.pair.name[:4] == "lidc"]
        known = [Known.of(case) for case in shown]
        rows = [
            np.hstack([part for scan in known for part in pair(scan, disease, number)])
            for number, disease in enumerate(DISEASES)
        ]
    except PleuraError as error:
        print(error, file=sys.stderr)
        return error.exit
    half = (len(rows) + 1) // 2
    sheet = np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])])
    stream = BytesIO()
    Image.fromarray(sheet).quantize(128).save(stream, "PNG", optimize=True)
    write_bytes(options.picture, stream.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
