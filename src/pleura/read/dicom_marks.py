"""Marks of patients and studies: they tell equal from different, and nothing else.

Two patients in one folder must be noticed without reading who they are. So PatientID and
StudyInstanceUID are hashed at once, with a key that this process forgets; neither they nor their
marks are ever shown.
"""

from __future__ import annotations

import os
from hashlib import blake2b

import pydicom

from pleura.read.dicom_values import plain_text_of

_KEY = os.urandom(16)


def mark_of(ds: pydicom.Dataset, name: str) -> str:
    """The mark of an attribute's value, "" without one."""
    text = plain_text_of(ds, name)
    return blake2b(text.encode(), key=_KEY, digest_size=8).hexdigest() if text else ""
