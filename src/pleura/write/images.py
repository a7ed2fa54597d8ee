"""Masks as NIfTI (nibabel), NRRD and MetaImage (SimpleITK)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from pleura.errors import OutputError
from pleura.volume import Mask
from pleura.write.atomic import staging, write_bytes

ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")
DATA_SUFFIX = ".zraw"  # of the voxels beside a .mhd
_GZIP_LEVEL = 4  # masks shrink 100 times at any level; higher ones only take longer


def write_nifti(mask: Mask, path: Path) -> None:
    """Write .nii or .nii.gz; the affine is that of the scan's header, bit for bit."""
    data = mask.to_nibabel().to_bytes()
    if path.name.lower().endswith(".gz"):
        data = gzip.compress(data, _GZIP_LEVEL, mtime=0)
    write_bytes(path, data)


def write_itk(mask: Mask, path: Path) -> None:
    """Write .nrrd, .mha or .mhd + .zraw, compressed; raises GeometryError on a sheared grid."""
    import SimpleITK as sitk

    image = mask.to_sitk()
    with staging(path) as folder:
        partial = folder / (path.stem + path.suffix.lower())  # ITK writes .MHA as .mhd and .zraw
        try:
            sitk.WriteImage(image, str(partial), useCompression=True)
            # ITK's writers don't report a full disk, so the file is read back.
            written = sitk.ReadImage(str(partial))  # named: the view below doesn't keep it alive
            whole = np.array_equal(sitk.GetArrayViewFromImage(written), mask.array)
        except RuntimeError:
            whole = False
        if not whole:
            raise OutputError(
                f"{path} could not be written whole; free space or choose another place."
            )
        partial.rename(folder / path.name)
