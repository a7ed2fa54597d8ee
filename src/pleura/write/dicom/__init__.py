"""Mask -> DICOM objects that refer to the images they were made from.

sources.py     the headers of those images
deidentify.py  the same without what tells who the patient is
common.py      codes, and what all objects copy from their source
seg.py         SEG (voxels), rtstruct.py with contours.py (contours), sr.py (measurements, TID 1500)
"""
