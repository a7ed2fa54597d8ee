"""At run time pleura opens no socket and writes only where it was told to.

`strace` sees native code too, which a patched Python socket doesn't. What it lists of pleura is
short: no call of the network at all, not even to a local service, and of files only the outputs,
staged beside themselves, and a zip's members in the temporary folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dicom_phantom import write_series
from tests.scans import names, small

PLEURA = [sys.executable, "-m", "pleura"]
PYTHON = [sys.executable, "-c"]
# io_uring could do all this without a call that strace sees; chdir would change relative names.
_NETWORK = ("%network", "io_uring_setup")
_CHANGES = (
    "creat", "mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2", "unlink",
    "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat",
    "chown", "lchown", "fchownat", "utimensat", "setxattr", "lsetxattr", "removexattr", "chdir",
    "fchdir",
)  # fmt: skip
_OPENS = ("open", "openat", "openat2")
_WRITING = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")
_CALL = re.compile(r"(\w+)\((.*)")
# A file's name, and the folder that it starts from where the call gives one: 3</folder>, "name".
_NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Folders:
    """Where a traced program is at home, starts, and may leave temporary files."""

    home: Path
    work: Path
    temporary: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PATH": os.environ["PATH"],
            # pip compiled an installed pleura; this one is run from its sources.
            "PYTHONDONTWRITEBYTECODE": "1",
        }


@dataclass(frozen=True)
class Trace:
    """What a program and all its children asked of the system, whether they got it or not."""

    network: list[str]
    changed: list[str]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(*[tmp_path / name for name in ("home", "work", "temporary")])
    for folder in (made.home, made.work, made.temporary):
        folder.mkdir()
    return made


@pytest.fixture
def trace(tmp_path: Path, folders: Folders) -> Callable[..., Trace]:
    needs_strace()

    def run(*command: object) -> Trace:
        calls = ",".join((*_NETWORK, *_OPENS, *_CHANGES))
        # A file for each thread, so that no line is cut in two by another thread's.
        strace = ["strace", "-ff", "-y", "--seccomp-bpf", "-o", tmp_path / "trace", "-e", calls]
        done = start([*strace, *command], folders)
        assert done.returncode == 0, done.stderr
        lines = [
            line
            for path in sorted(tmp_path.glob("trace.*"))
            for line in path.read_text(errors="replace").splitlines()
        ]
        assert any('"/etc/ld.so.cache"' in line for line in lines), "strace saw no program start"
        return parsed(lines, folders)

    return run


def needs_strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace, which is not installed")


def start(command: Sequence[object], folders: Folders) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], cwd=folders.work, env=folders.environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def parsed(lines: Sequence[str], folders: Folders) -> Trace:
    """Calls of the network, and what was opened for writing, made, renamed or removed elsewhere
    than in the working and the temporary folder."""
    network, changed = [], []
    for line in lines:
        call = _CALL.match(line)
        if call is None:  # a signal or an exit
            continue
        name, arguments = call.groups()
        if name in _OPENS and not _WRITING.search(_NAME.sub("", arguments)):
            continue
        if name not in (*_OPENS, *_CHANGES):
            network.append(line)
            continue
        found = [Path(folders.work, start, name) for start, name in _NAME.findall(arguments)]
        paths = [os.path.normpath(path) for path in found]
        if not paths or not all(within(path, folders) for path in paths):
            changed.append(line)
    return Trace(network, changed)


def within(path: str, folders: Folders) -> bool:
    return any(Path(path).is_relative_to(f) for f in (folders.work, folders.temporary))


def assert_quiet(found: Trace, folders: Folders) -> None:
    assert found == Trace([], [])
    assert names(folders.home) == [] == names(folders.temporary)


def dicom_folder(folder: Path) -> Path:
    phantom = small()
    write_series(folder / "series", phantom.hu, phantom.geometry)
    return folder / "series"


def dicom_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "series.zip", "w") as archive:
        for file in dicom_folder(folder).iterdir():
            archive.write(file, file.name)
    return folder / "series.zip"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_segment_with_each_engine(
    trace: Callable[..., Trace], folders: Folders, examples: Path, engine: str
) -> None:
    scan = examples / "chest.nii.gz"
    written = ["-o", "mask.nii.gz", "--picture", "mask.png"]
    found = trace(*PLEURA, "segment", scan, "--engine", engine, *written)
    assert_quiet(found, folders)
    assert names(folders.work) == ["mask.nii.gz", "mask.png"]


@pytest.mark.parametrize("make", [dicom_folder, dicom_zip])
def test_segment_dicom(
    trace: Callable[..., Trace], folders: Folders, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    assert_quiet(trace(*PLEURA, "segment", make(tmp_path), "-o", "mask.mha", "--json"), folders)
    assert names(folders.work) == ["mask.mha"]


def test_info(trace: Callable[..., Trace], folders: Folders, examples: Path) -> None:
    assert_quiet(trace(*PLEURA, "info", examples / "chest.nii.gz"), folders)
    assert names(folders.work) == []


BAD_PROGRAMS = {
    "a socket": "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
    "a name looked up": "import socket\ntry: socket.getaddrinfo('example.invalid', 80)\n"
    "except OSError: pass",
    "a socket of a child": "import subprocess, sys; subprocess.run([sys.executable, '-c', "
    "'import socket; socket.socket(socket.AF_INET6)'])",
    "a socket of a thread": "import socket, threading; t = threading.Thread(target=socket.socket);"
    " t.start(); t.join()",
    "a local socket": "import socket; socket.socketpair()",
}
BAD_WRITERS = {
    "a file at home": "from pathlib import Path; (Path.home() / 'x').write_text('x')",
    "a file made and removed": "from pathlib import Path; p = Path.home() / 'x'; p.touch();"
    " p.unlink()",
    "a folder at home": "import os; os.makedirs(os.path.expanduser('~/.cache/x'))",
    "a file by a relative name": "open('../home/x', 'w')",
    "a file beside": "import os; d = os.open('..', os.O_RDONLY);"
    " os.open('x', os.O_WRONLY | os.O_CREAT, dir_fd=d)",
    "a write that failed": "import os\ntry: os.rename('nothing', '/proc/x')\nexcept OSError: pass",
    "another working folder": "import os; os.chdir('..'); open('work/x', 'w')",
}


@pytest.mark.parametrize("program", BAD_PROGRAMS.values(), ids=BAD_PROGRAMS)
def test_the_trace_shows(trace: Callable[..., Trace], program: str) -> None:
    found = trace(*PYTHON, program)
    assert found.network and not found.changed


@pytest.mark.parametrize("program", BAD_WRITERS.values(), ids=BAD_WRITERS)
def test_the_trace_shows_writing(trace: Callable[..., Trace], program: str) -> None:
    found = trace(*PYTHON, program)
    assert found.changed and not found.network


def test_the_trace_lets_outputs_pass(trace: Callable[..., Trace], folders: Folders) -> None:
    program = "import os, tempfile; open('a', 'w'); os.rename('a', 'b'); open('/etc/hostname');"
    found = trace(*PYTHON, program + " tempfile.TemporaryFile().write(b'x')")
    assert_quiet(found, folders)


def without_network() -> list[str]:
    """A command that cuts off the one behind it: a network namespace without any interface.

    Where the system permits no new namespaces, strace lets all calls of the network fail instead.
    """
    if os.uname().sysname == "Linux" and shutil.which("unshare"):
        for options in ("-n", "-rn"):
            tried = subprocess.run(["unshare", options, "true"], capture_output=True, check=False)
            if tried.returncode == 0:
                return ["unshare", options]
    return failing_network()


def failing_network() -> list[str]:
    needs_strace()
    return ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=%network",
            "-e", "inject=%network:error=ENETUNREACH"]  # fmt: skip


CONNECT = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 9)))"


@pytest.mark.parametrize("cut", [without_network, failing_network])
def test_segmenting_needs_no_network(
    folders: Folders, examples: Path, cut: Callable[[], list[str]]
) -> None:
    connected = start([*cut(), *PYTHON, CONNECT], folders)
    unreachable = "101\n"
    assert connected.stdout == unreachable or "OSError: [Errno 101]" in connected.stderr
    done = start([*cut(), *PLEURA, "segment", examples / "chest.nii.gz", "-o", "m.nrrd"], folders)
    assert done.returncode == 0, done.stderr
    assert names(folders.work) == ["m.nrrd"]
