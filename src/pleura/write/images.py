"""Masks and probabilities as NIfTI (nibabel), NRRD and MetaImage (SimpleITK)."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from pleura.gzipped import write_gzip
from pleura.volume import Mask, ProbabilityMap
from pleura.write.atomic import staging

ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")
DATA_SUFFIX = ".zraw"  # of the voxels beside a .mhd


def write_nifti(mask: Mask | ProbabilityMap, path: Path) -> None:
    """Write .nii or .nii.gz; the affine is that of the scan's header, bit for bit."""
    header = nifti_header(mask)
    voxels = np.ascontiguousarray(mask.array).data.cast("B")  # no copy: already in order
    with staging(path) as folder, (folder / path.name).open("wb") as file:
        packed = path.name.lower().endswith(".gz")
        with write_gzip(file) if packed else nullcontext(file) as stream:
            stream.write(header)
            stream.write(voxels)


def nifti_header(mask: Mask | ProbabilityMap) -> bytes:
    """What comes before the voxels of a mask in a .nii file."""
    image = mask.to_nibabel()
    image.update_header()
    header = image.header.copy()
    header.set_data_offset(header.single_vox_offset)
    header.set_slope_inter(1, 0)
    block: bytes = header.binaryblock
    return block.ljust(header.single_vox_offset, b"\0")


def write_itk(mask: Mask | ProbabilityMap, path: Path) -> None:
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
            raise OSError("not whole on the disk")  # of which `staging` makes a sentence
        partial.rename(folder / path.name)
