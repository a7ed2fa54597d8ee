"""The floor: a fresh Python imports SimpleITK, reads a scan and writes a mask of its size.

    python floor.py OUTPUT MASK.npy FILES.json

FILES.json lists the scan's file, or the files of its DICOM series in their order.

Whoever answers with a mask does at least this. The mask is the one that pleura made of the scan, so
that the compressor meets what a real mask holds: an empty one would be faster, a threshold of the
image slower and arithmetic besides. It comes as a memory-mapped .npy: no header, no decompression,
and numpy is there as soon as SimpleITK is.
"""

import json
import sys
import time
from itertools import pairwise


def main() -> int:
    output, mask_file, list_file = sys.argv[1:]
    times = [time.perf_counter()]
    import numpy as np
    import SimpleITK as sitk

    times.append(time.perf_counter())
    with open(list_file, encoding="utf-8") as file:
        files = json.load(file)
    if len(files) == 1:
        image = sitk.ReadImage(files[0])
    else:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        image = reader.Execute()
    times.append(time.perf_counter())
    mask = sitk.GetImageFromArray(np.load(mask_file, mmap_mode="r"))
    mask.CopyInformation(image)
    sitk.WriteImage(mask, output, useCompression=True)
    times.append(time.perf_counter())
    stages = ("import", "read", "write")
    seconds = (after - before for before, after in pairwise(times))
    json.dump({"stages_s": dict(zip(stages, seconds, strict=True))}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
