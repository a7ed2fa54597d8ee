"""Zip files of DICOM: unpack safely into a folder of our own."""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from pleura.errors import PleuraError, UnreadableError

MAX_FILES = 50_000
MAX_BYTES = 8 * 2**30
# CT compresses 2 to 4 times, a blank phantom some hundred; a bomb has a thousand and is large.
MAX_RATIO = 200
_RATIO_COUNTS_ABOVE = 64 * 2**20
_CHUNK = 1 << 20
_MAX_NAME_BYTES = 255  # of a file or folder, on most file systems
_MAX_PATH_BYTES = 2048  # half of Linux's limit; UIDs as folders' names make paths of 400
_MAX_DIRECTORY = 400 * MAX_FILES  # bytes of the zip's own list, of which Python makes objects
_ENCRYPTED = 0x1
# Python unpacks any other kind in one piece, and 4 kB of bzip2 can hold gigabytes.
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_WINDOWS_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{d}{n}" for d in ("com", "lpt") for n in "123456789"),
}


def extract_zip(path: Path, into: Path) -> Path:
    """Unpack a zip file and return the folder that holds its files.

    Everything is checked before the first byte is written, and the sizes again while writing, as a
    directory of a zip file can lie. Names of members are kept below `into`; empty members and zip
    files within the zip file aren't unpacked.

    Args:
        path: the zip file.
        into: an existing, empty folder.

    Raises:
        UnreadableError: no zip file, damaged, encrypted, empty; a member with an absolute name,
            with `..` or that is a link; members that overlap; more than 50 000 files, 8 GiB, or
            (above 64 MiB) 200 times the size of the zip file; other than stored or deflated.
        PleuraError: there is no space to unpack it.
    """
    try:
        size = path.stat().st_size
        with _Stream(path) as stream, zipfile.ZipFile(stream) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            _check_members(path, members)
            _check_sizes(path, members, size)
            _check_space(path, into, sum(m.file_size for m in members))
            written = 0
            for member in members:
                if member.file_size:
                    written = _unpack(archive, member, into, (path, written, size))
    except (PleuraError, MemoryError):
        raise
    except PermissionError as error:
        raise UnreadableError(f"'{path}' may not be read by you; check its permissions.") from error
    except Exception as error:  # zipfile has many for a damaged one
        raise _damaged(path) from error
    return into


class _Stream(io.FileIO):
    """A zip file that refuses to be read in pieces that only a bomb's directory needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > _MAX_DIRECTORY:
            raise UnreadableError(
                f"'{self.name}' lists far more than {MAX_FILES} files; give one study at a time."
            )
        return super().read(size) or b""


def _damaged(path: Path) -> UnreadableError:
    return UnreadableError(f"'{path}' is no zip file or is damaged; zip or copy it again.")


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    if not any(member.file_size for member in members):
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
        if member.compress_type not in _KINDS:
            raise UnreadableError(
                f"'{path}' uses a compression that can't be unpacked here; "
                "unpack it yourself and give the folder."
            )
        if not _is_safe(member):
            raise UnreadableError(
                f"'{path}' holds the unsafe member {member.filename[:80]!a} "
                "(absolute, long, with '..', a device or a link); "
                "unpack it yourself and give the folder."
            )


def _is_safe(member: zipfile.ZipInfo) -> bool:
    # orig_filename: zipfile itself cuts the name at a NUL and turns separators.
    path = member.filename.encode("utf-8", "surrogateescape")
    if len(path) > _MAX_PATH_BYTES or max(map(len, path.split(b"/"))) > _MAX_NAME_BYTES:
        return False
    for name in (member.filename, member.orig_filename):
        windows = PureWindowsPath(name)
        if name.startswith("/") or "\0" in name or windows.drive or windows.root:
            return False
        if ".." in PurePosixPath(name).parts or ".." in windows.parts:
            return False
        if os.name == "nt" and _is_windows_special(windows):
            return False
    kind = stat.S_IFMT(member.external_attr >> 16)
    return kind in (0, stat.S_IFREG)


def _is_windows_special(name: PureWindowsPath) -> bool:
    """A part that Windows takes for a device, or for a stream within a file."""
    return any(
        ":" in part or part.split(".")[0].rstrip().lower() in _WINDOWS_DEVICES
        for part in name.parts
    )


def _check_sizes(path: Path, members: Sequence[zipfile.ZipInfo], size: int) -> None:
    if sum(m.compress_size for m in members) > size:  # each byte may count for one member
        raise UnreadableError(
            f"'{path}' has members that overlap, as in a zip bomb; "
            "unpack it yourself and give the folder."
        )
    _check_size(path, sum(m.file_size for m in members), size)


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


def _check_space(path: Path, into: Path, needed: int) -> None:
    free = shutil.disk_usage(into).free
    if needed > free:
        raise PleuraError(
            f"'{path}' unpacks to {needed / 1e9:.2g} GB, but {into.parent} has {free / 1e9:.2g} GB "
            "free; free space there or set TMPDIR to another folder."
        )


def _unpack(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, so_far: tuple[Path, int, int]
) -> int:
    """Write one member; takes the zip file, the bytes so far and its size, returns the bytes."""
    path, written, size = so_far
    target = into / member.filename
    with _writing(path, into):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as sink:
            for chunk in _chunks(path, archive, member):
                written += len(chunk)
                _check_size(path, written, size)
                sink.write(chunk)
    return written


def _chunks(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except (OSError, ValueError, EOFError) as error:  # not to be taken for one of writing
        raise _damaged(path) from error


@contextmanager
def _writing(path: Path, into: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise UnreadableError(
            f"'{path}' holds two members of one name; unpack it yourself and give the folder."
        ) from error
    except OSError as error:
        raise PleuraError(
            f"'{path}' could not be unpacked in {into.parent} ({error.strerror}); "
            "free space there or set TMPDIR to another folder."
        ) from error
