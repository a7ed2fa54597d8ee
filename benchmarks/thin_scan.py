"""Make the scan that docs/performance.md times: 1 mm slices with noise, of a thicker scan.

python -m benchmarks.thin_scan ../shared/data/volumes/imagesTr/lidc0001.nii.gz thin.nii.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.less_work import Scan, thin
from pleura import Mask, Volume, read
from pleura.volume import Geometry, nibabel_image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--slices", type=int, default=275, help="the middle ones are kept")
    arguments = parser.parse_args()
    volume = read(arguments.scan)
    nothing = Mask(np.zeros(volume.array.shape, np.uint8), volume.geometry)
    thinner = thin(Scan(arguments.scan.name, volume, nothing)).volume
    first = max(0, (len(thinner.array) - arguments.slices) // 2)
    hu = thinner.array[first : first + arguments.slices]
    kept = Volume(hu, Geometry(hu.shape, thinner.geometry.affine))
    nibabel_image(kept.array, kept.geometry).to_filename(arguments.output)
    print(f"{arguments.output}: {' x '.join(map(str, hu.shape))}")


if __name__ == "__main__":
    main()
