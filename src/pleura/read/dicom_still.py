"""Is a DICOM scan still what its headers were when they were read, and complete?

A PACS may still be sending: files grow, and more of the series come in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pleura.errors import UnreadableError
from pleura.read.dicom_headers import find_files, read_headers
from pleura.read.dicom_series import FolderScan, Series
from pleura.read.unchanged import changed, check_unchanged, checked_after


@contextmanager
def still_the_same(path: Path, scan: FolderScan, chosen: Series, whole: bool) -> Iterator[None]:
    """Check the chosen series' files around a block that reads their pixels.

    Args:
        path: what was scanned.
        whole: whether all of `path` was; then files that came in since are looked at too.

    Raises:
        UnreadableError: a file changed or vanished, or more of the series came in meanwhile.
    """
    with checked_after(lambda: _check(path, scan, chosen, whole)):
        yield


def _check(path: Path, scan: FolderScan, chosen: Series, whole: bool) -> None:
    check_unchanged(path, {file: scan.stamps[file] for file in chosen.files})
    if not whole:
        return
    for file in find_files(path):
        if file not in scan.stamps and _belongs(file, chosen):
            raise changed(path, file)


def _belongs(file: Path, chosen: Series) -> bool:
    try:
        return any(item.image.series_uid == chosen.uid for item in read_headers(file))
    except UnreadableError:  # DICOM, but only the beginning of a file
        return True
    except OSError:  # gone again, as a transfer's temporary names are
        return False
