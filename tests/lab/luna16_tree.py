"""A data set in LUNA16's layout, of synthetic chests: subset*/UID.mhd, seg-lungs-LUNA16/UID.mhd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from pleura.volume import sitk_image
from tests.lab.small_store import small_chest

NUMBERS = np.array([0, 4, 3, 5], dtype=np.uint8)  # right, left, airways in LUNA16's numbers


def luna16_tree(folder: Path, scans: int) -> list[str]:
    """Write the tree and patients.csv, where the first two scans are of one patient.

    Returns:
        The scans' names, shaped like LUNA16's series UIDs.
    """
    masks = folder / "seg-lungs-LUNA16"
    masks.mkdir(parents=True)
    names = [f"1.2.826.0.1.3680043.8.498.{number:03}" for number in range(scans)]
    for number, name in enumerate(names):
        subset = folder / f"subset{number % 10}"
        subset.mkdir(exist_ok=True)
        phantom = small_chest(number)
        sitk.WriteImage(sitk_image(phantom.hu, phantom.geometry), subset / f"{name}.mhd")
        labels = sitk_image(NUMBERS[phantom.labels], phantom.geometry)
        sitk.WriteImage(labels, masks / f"{name}.mhd", useCompression=True)
    lines = [f"{name},patient{max(1, number):02}" for number, name in enumerate(names)]
    (folder / "patients.csv").write_text("\n".join(["name,patient", *lines]) + "\n")
    return names
