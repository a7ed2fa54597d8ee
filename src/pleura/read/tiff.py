"""Does a TIFF's chain of pages end? ITK follows one that leads back into itself for ever."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from pleura.errors import UnreadableError
from pleura.read.limits import MAX_SIDE

_ORDERS = {b"II": "<", b"MM": ">"}
# Version -> where the first page is told, type of an offset, type and bytes of the number of
# entries, bytes of an entry: TIFF 6.0, section 2, and BigTIFF.
_LAYOUTS = {42: (4, "I", "H", 2, 12), 43: (8, "Q", "Q", 8, 20)}


def check_pages(path: Path) -> None:
    """Follow the pages' directories; what else is wrong with the file is left to ITK.

    Raises:
        UnreadableError: two pages lie in one place, or there are more than a scan has slices.
    """
    seen: set[int] = set()
    # KeyError: no TIFF; the others: a directory outside the file, where ITK stops too.
    errors = (KeyError, struct.error, OverflowError, ValueError)
    with path.open("rb") as stream, suppress(*errors):
        for place in _directories(stream):
            if place in seen or len(seen) >= MAX_SIDE:
                raise UnreadableError(
                    f"{path} has pages that lead back to each other, or more than {MAX_SIDE:,}; "
                    "copy or convert the scan again."
                )
            seen.add(place)


def _directories(stream: IO[bytes]) -> Iterator[int]:
    """Where each page's directory lies, in the order of the chain, which may have no end."""
    order = _ORDERS[stream.read(2)]

    def number(kind: str, place: int) -> int:
        stream.seek(place)
        found: int
        (found,) = struct.unpack(order + kind, stream.read(struct.calcsize(order + kind)))
        return found

    first, offset, count, count_bytes, entry_bytes = _LAYOUTS[number("H", 2)]
    place = number(offset, first)
    while place:
        yield place
        place = number(offset, place + count_bytes + number(count, place) * entry_bytes)
