"""Zip files of DICOM: unpack safely into a folder of our own."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from pleura.errors import UnreadableError

MAX_FILES = 50_000
MAX_BYTES = 8 * 2**30
# CT compresses 2 to 4 times, a blank phantom some hundred; a bomb has a thousand and is large.
MAX_RATIO = 200
_RATIO_COUNTS_ABOVE = 64 * 2**20
_CHUNK = 1 << 20
_MAX_NAME_BYTES = 255  # of most file systems, a folder's name included here
_ENCRYPTED = 0x1


def extract_zip(path: Path, into: Path) -> Path:
    """Unpack a zip file and return the folder that holds its files.

    Everything is checked before the first byte is written, and the sizes again while writing, as a
    directory of a zip file can lie. Names of members are kept below `into`.

    Args:
        path: the zip file.
        into: an existing, empty folder.

    Raises:
        UnreadableError: no zip file, damaged, encrypted, empty; a member with an absolute name,
            with `..` or that is a link; more than 50 000 files, 8 GiB, or (above 64 MiB) 200
            times the size of the zip file.
    """
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            _check_members(path, members)
            _check_size(path, sum(m.file_size for m in members), size)
            written = 0
            for member in members:
                target = into / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("xb") as sink:
                    written = _copy(path, source, sink, written, size)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UnreadableError(
            f"'{path}' is no zip file or is damaged; zip or copy it again."
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise UnreadableError(
            f"'{path}' holds two members of one name; unpack it yourself and give the folder."
        ) from error
    except NotImplementedError as error:
        raise UnreadableError(
            f"'{path}' uses a compression that can't be unpacked here; "
            "unpack it yourself and give the folder."
        ) from error
    return into


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if not members:
        raise UnreadableError(f"'{path}' is an empty zip file; give one with a DICOM series.")
    if len(members) > MAX_FILES:
        raise UnreadableError(
            f"'{path}' holds {len(members)} files, more than {MAX_FILES}; give one study at a time."
        )
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise UnreadableError(
                f"'{path}' is encrypted; unpack it with its password and give the folder."
            )
        if not _is_safe(member):
            raise UnreadableError(
                f"'{path}' holds the unsafe member '{member.filename[:80]}' "
                "(absolute, long, with '..' or a link); unpack it yourself and give the folder."
            )


def _is_safe(member: zipfile.ZipInfo) -> bool:
    # orig_filename: zipfile itself cuts the name at a NUL and turns separators.
    if len(member.filename.encode("utf-8", "surrogateescape")) > _MAX_NAME_BYTES:
        return False
    for name in (member.filename, member.orig_filename):
        windows = PureWindowsPath(name)
        if name.startswith("/") or "\0" in name or windows.drive or windows.root:
            return False
        if ".." in PurePosixPath(name).parts or ".." in windows.parts:
            return False
    kind = stat.S_IFMT(member.external_attr >> 16)
    return kind in (0, stat.S_IFREG)


def _check_size(path: Path, unpacked: int, packed: int) -> None:
    if unpacked > MAX_BYTES:
        raise UnreadableError(
            f"'{path}' unpacks to more than {MAX_BYTES / 2**30:g} GiB; give one study at a time."
        )
    if unpacked > max(_RATIO_COUNTS_ABOVE, MAX_RATIO * packed):
        raise UnreadableError(
            f"'{path}' unpacks to more than {MAX_RATIO} times its size, as a zip bomb does; "
            "unpack it yourself and give the folder."
        )


def _copy(path: Path, source: IO[bytes], sink: IO[bytes], written: int, packed: int) -> int:
    """Copy in chunks; returns the bytes of all members so far."""
    while chunk := source.read(_CHUNK):
        written += len(chunk)
        _check_size(path, written, packed)
        sink.write(chunk)
    return written
