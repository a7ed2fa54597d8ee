"""The files in which a header says its voxels lie (.mhd, .nhdr)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pleura.errors import UnreadableError
from pleura.read.limits import MAX_SIDE

_NUMBERS_PLACE = re.compile("[^%]*%0?[0-9]{0,2}d[^%]*")


def named_files(path: Path, name: str, lines: Sequence[str], slices: int) -> list[Path]:
    """Find the data files of a header and see that reading them can't block or break ITK.

    A name may be absolute or climb out of the header's folder: whoever gives a header names its
    data with it. (Zip files are unpacked for DICOM alone, which names no other files.)

    Args:
        path: the header.
        name: what it gives as its data file: a name, a name with one number's place (`s%03d.raw 1
            20 1`), or LIST, with names in the lines that follow.
        lines: what follows the header's last field.
        slices: how many files a numbered name stands for where it doesn't say.

    Raises:
        UnreadableError: one is missing or is a folder, pipe or device; a `%` that is no number's
            place (ITK gives such a name to C's printf and crashes); too many files.
    """
    if name.split()[0] == "LIST":
        names = [line.strip() for line in lines if line.strip()]
    elif "%" in name:
        names = _numbered(path, name, slices)
    else:
        names = [name]
    if not 0 < len(names) <= MAX_SIDE:
        raise UnreadableError(
            f"{path} names {len(names)} data files or more, 1 to {MAX_SIDE:,} are possible; "
            "copy or convert the scan again."
        )
    files = [path.parent / each for each in names]
    for file, each in zip(files, names, strict=True):
        if not file.is_file():
            raise UnreadableError(
                f"{path} names its data file {each[:80]!a}, which is missing or no file; "
                "copy or convert the scan again."
            )
    return files


def _numbered(path: Path, name: str, slices: int) -> list[str]:
    pattern, *words = name.split()
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 10]
    if not _NUMBERS_PLACE.fullmatch(pattern) or len(numbers) < len(words):
        raise UnreadableError(
            f"{path} names its data file {name[:80]!a}, with a '%' that is no number's place; "
            "rename the data file."
        )
    first = numbers[0] if numbers else 1
    last = numbers[1] if len(numbers) > 1 else first + slices - 1
    step = max(1, numbers[2]) if len(numbers) > 2 else 1
    # One too many is enough to refuse the header.
    return [pattern % n for n in range(first, last + 1, step)[: MAX_SIDE + 1]]
