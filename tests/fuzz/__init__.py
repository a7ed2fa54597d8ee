"""Fuzzing: damaged files of every format, by number, read in processes that are watched.

seeds.py      small valid scans
mutate.py     damage to any bytes; numbers and words that readers stumble over
nifti.py      header fields by name; extensions; gzip members
dicom_tree.py a DICOM file as elements, and back to bytes, lies included
dicom.py      damage element by element
text.py       NRRD and MetaImage: lines of keys and values
tiff.py       directory entries
zips.py       local headers, central directory, names
cases.py      number -> files, always the same
reader.py     what is asked of pleura for each case
worker.py     a process that reads cases and reports each
harness.py    starts workers, notices when one hangs or dies, counts
test_found.py what came of it, without fuzzing

    python -m tests.fuzz --cases 100000 --workers 2 --keep FOLDER
    python -m tests.fuzz --show 1234 FOLDER
"""
