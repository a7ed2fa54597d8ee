"""A data set of any size is prepared with one scan in memory."""

from __future__ import annotations

import shutil
import subprocess
import sys

import nibabel
import numpy as np

from pleura.volume import nibabel_image
from tests.phantom import chest

PROGRAM = """
import sys
from pathlib import Path
from pleura.lab.prepare import PrepareOptions, prepare_source
from pleura.record import peak_memory_mb
for source in sys.argv[2:]:
    report = prepare_source(Path(source), Path(sys.argv[1]), PrepareOptions())
    print(len(report.scans), peak_memory_mb())
"""


def test_forty_scans_need_no_more_memory_than_eight(tmp_path):
    phantom = chest((24, 96, 96), (12.0, 4.0, 4.0))
    for kind, array in (("imagesTr", phantom.hu), ("labelsTr", phantom.labels)):
        first = tmp_path / "scan.nii"
        nibabel.save(nibabel_image(np.ascontiguousarray(array), phantom.geometry), first)
        for source, count in (("few", 8), ("many", 40)):
            folder = tmp_path / source / kind
            folder.mkdir(parents=True)
            for number in range(count):
                shutil.copy(first, folder / f"s{number:02d}.nii")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "store", tmp_path / "few", tmp_path / "many"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (few, few_mb), (many, many_mb) = (map(float, line.split()) for line in run.stdout.splitlines())
    assert (few, many) == (8, 40)
    # Image, labels and targets of the 32 scans more would take 40 MB.
    assert many_mb - few_mb < 15
