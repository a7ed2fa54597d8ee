"""Results that are kept as CSV, so that reports can be made again without computing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pleura.errors import UnreadableError
from pleura.write.atomic import write_bytes

T = TypeVar("T")


def write_rows(rows: Iterable[Mapping[str, object]], columns: Sequence[str], file: Path) -> None:
    """Write a header and a line a row, atomically; raises OutputError."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(file, stream.getvalue().encode())


def read_rows(
    file: Path, columns: Sequence[str], made: Callable[[Mapping[str, str]], T]
) -> list[T]:
    """What `made` makes of each line of `write_rows`.

    Args:
        file: the CSV.
        columns: that it must have, in this order.
        made: one line -> one result; raises ValueError for a damaged one.

    Raises:
        UnreadableError: no such file, or not such a file.
    """
    if not file.is_file():
        raise UnreadableError(f"There is no {file}; run the benchmark without --report first.")
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise UnreadableError(
                f"{file} has other columns; remove it and run the benchmark again."
            )
        try:
            return [made(_complete(row)) for row in reader]
        except ValueError as error:
            raise UnreadableError(
                f"{file} is damaged ({error}); remove it and run again."
            ) from error


def _complete(row: Mapping[str | None, str | None]) -> dict[str, str]:
    """The row, unless it has more or fewer fields than the header."""
    whole = {name: field for name, field in row.items() if name is not None and field is not None}
    if len(whole) != len(row):
        raise ValueError("a line with other fields than the header")
    return whole
