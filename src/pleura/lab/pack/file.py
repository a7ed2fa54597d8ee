"""The packed store's file, and the folder that it is unpacked into before training.

magic       16 bytes, with the version
SHA-256     32 bytes, of all that follows
length      8 bytes, little endian, of the header
header      JSON, LZMA: by source its index, and of each scan HU step and lengths of its parts
parts       by source, by scan: its pictures, then its occupancies; see `lab.pack.codec`
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import lzma
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pleura.errors import OutputError, UsageError
from pleura.lab.pack.codec import hu_of, occupancy_of, slices_in, slices_of, unsqueezed
from pleura.write.leftovers import temporary_folder

MAGIC = b"PLEURA-STORE 01\n"
_DIGEST, _LENGTH = 32, 8
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_START = len(MAGIC) + _DIGEST + _LENGTH


@dataclass(frozen=True)
class PackedScan:
    """Where a scan's slices are in the file.

    Args:
        step_hu: between two levels.
        pictures, targets: lengths of its parts in bytes.
    """

    step_hu: int
    pictures: tuple[int, ...]
    targets: int


def packed_bytes(header: Mapping[str, Any], parts: Sequence[bytes]) -> bytes:
    """The whole file."""
    head = lzma.compress(json.dumps(header).encode(), lzma.FORMAT_XZ)
    rest = b"".join([len(head).to_bytes(_LENGTH, "little"), head, *parts])
    return MAGIC + hashlib.sha256(rest).digest() + rest


def unpacked(file: Path) -> Path:
    """The folder with a packed store's content; made once, hidden beside the file.

    Where that place can't be written, it is a temporary one that ends with the process.

    Raises:
        UsageError: no packed store, one of another version, or a damaged one.
        OutputError: no room to unpack it.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read ({error.strerror}).") from error
    _check(file, data)
    digest = data[len(MAGIC) : len(MAGIC) + _DIGEST].hex()
    folder = file.parent / f".{file.name}.unpacked-{digest[:16]}"
    if folder.is_dir():
        return folder
    try:
        return _unpack_to(folder, file, data)
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise _no_room(file, folder.parent, error) from error
    place = Path(tempfile.mkdtemp(prefix="pleura-store-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    try:
        return _unpack_to(place / "store", file, data)
    except OSError as error:
        raise _no_room(file, place, error) from error


def _no_room(file: Path, place: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{file} could not be unpacked in {place} ({error.strerror or error}); free space there."
    )


def _check(file: Path, data: bytes) -> None:
    known = len(MAGIC) - 3  # without the version
    if data[:known] != MAGIC[:known]:
        raise UsageError(
            f"{file} is no training store; make one by `pleura prepare` or `pleura pack`."
        )
    if data[: len(MAGIC)] != MAGIC:
        raise UsageError(f"{file} is of another version; run `pleura pack` again.")
    begin = len(MAGIC) + _DIGEST
    if hashlib.sha256(data[begin:]).digest() != data[len(MAGIC) : begin]:
        raise _damaged(file, "its checksum differs")


def _damaged(file: Path, why: object) -> UsageError:
    return UsageError(
        f"{file} is damaged or cut off ({why}); copy it again or run `pleura pack` again."
    )


def _unpack_to(folder: Path, file: Path, data: bytes) -> Path:
    """Write beside `folder` and rename: it is whole or absent, also with several processes."""
    with temporary_folder(folder.parent, ".pleura-store-") as temporary:
        whole = temporary / "store"
        whole.mkdir()
        try:
            for source, content in _sources(data):
                content.write(whole / source)
        except (ValueError, KeyError, TypeError, lzma.LZMAError, SyntaxError) as error:
            raise _damaged(file, error) from error
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    return folder


@dataclass(frozen=True)
class _Source:
    index: Mapping[str, Any]
    scans: Sequence[PackedScan]
    data: memoryview  # from its first part on

    def write(self, folder: Path) -> None:
        folder.mkdir()
        place = 0
        with (folder / "images.bin").open("wb") as images, (folder / "targets.bin").open("wb") as t:
            for entry, packed in zip(self.index["scans"], self.scans, strict=True):
                n, h, w = entry["shape"]
                for size, wanted in zip(packed.pictures, slices_in(n), strict=True):
                    levels = slices_of(bytes(self.data[place : place + size]), wanted)
                    images.write(hu_of(levels, packed.step_hu).astype("<i2").tobytes())
                    place += size
                part = bytes(self.data[place : place + packed.targets])
                t.write(occupancy_of(unsqueezed(part, (n, h, w))).tobytes())
                place += packed.targets
        (folder / "index.json").write_text(json.dumps(self.index, indent=1), encoding="utf-8")


def read_header(data: bytes) -> dict[str, Any]:
    """The header of a packed store's bytes; raises LZMAError or ValueError."""
    size = int.from_bytes(data[_START - _LENGTH : _START], "little")
    header: dict[str, Any] = json.loads(lzma.decompress(data[_START : _START + size]))
    return header


def _sources(data: bytes) -> Iterator[tuple[str, _Source]]:
    place = _START + int.from_bytes(data[_START - _LENGTH : _START], "little")
    for name, source in read_header(data)["sources"].items():
        if not name or name.startswith(".") or Path(name).name != name:
            raise ValueError(f"'{name}' can't be a source")
        scans = [PackedScan(**scan) for scan in source["packed"]]
        yield name, _Source(source["index"], scans, memoryview(data)[place:])
        place += sum(sum(scan.pictures) + scan.targets for scan in scans)
