"""Where lungmask runs: an interpreter that has it, or an environment made for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pleura.errors import OutputError, PleuraError, UsageError
from pleura.lab.benchmark.processes import SCRIPTS, Call, RunError, last_json, run

LUNGMASK = "lungmask==0.2.22"
RUNNER = SCRIPTS / "lungmask_runner.py"
# What lungmask and scikit-image import, besides what pleura and torch bring.
_BESIDE = (
    "scikit-image>=0.26", "more-itertools", "tqdm", "lazy-loader", "networkx", "imageio",
    "tifffile",
)  # fmt: skip
_PERHAPS_HERE = ("scipy", "packaging")
_PROBE_TIMEOUT_S = 600.0
_DO = "give the interpreter of an environment with lungmask, or --install-lungmask FOLDER"


@dataclass(frozen=True)
class LungmaskEnvironment:
    """An interpreter that can import lungmask, perhaps with a folder of modules besides its own.

    Args:
        python: the interpreter.
        modules: comes first on its module path; None for none.
        versions: of python, lungmask, torch and the like.
    """

    python: str
    modules: Path | None
    versions: Mapping[str, str]

    def call(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Call:
        """`lungmask_runner.py` with arguments."""
        return _call(self.python, self.modules, arguments, environment)


def lungmask_of(python: str) -> LungmaskEnvironment:
    """The environment of an interpreter.

    Raises:
        UsageError: no such interpreter, or it can't import lungmask.
    """
    found = shutil.which(str(Path(python).expanduser()))
    if found is None:
        raise UsageError(f"--lungmask {python} is no program; {_DO}.")
    return _probed(found, None, f"--lungmask {python}")


def installed_lungmask(folder: Path, say: Callable[[str], None]) -> LungmaskEnvironment:
    """lungmask in a folder, installed there unless it already is.

    Where torch can be imported, the folder holds lungmask and what it needs besides, and is put
    before this environment's modules: a second torch would take gigabytes, and the first one is as
    good. Else it becomes an environment with everything.

    Args:
        folder: new or empty, or made by this function.
        say: told what takes long.

    Raises:
        UsageError: the folder holds something else.
        OutputError: it can't be made.
        PleuraError: pip failed; the folder is removed.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if _python_of(folder).exists() or (folder / "lungmask").is_dir():
            return _opened(folder)
        raise UsageError(f"{folder} holds something else; name a new folder for lungmask.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _install(folder, say)
        return _opened(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)  # half an installation can't be used
        if isinstance(error, OSError):
            raise OutputError(
                f"{folder} can't be made ({error.strerror}); choose another place."
            ) from error
        raise


def _opened(folder: Path) -> LungmaskEnvironment:
    own = _python_of(folder)
    if own.exists():
        return _probed(str(own), None, str(folder))
    return _probed(sys.executable, folder, str(folder))


def _python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def _install(folder: Path, say: Callable[[str], None]) -> None:
    if _can_import_torch():
        say(f"Installing {LUNGMASK} into {folder}, to run with this environment's torch")
        missing = [name for name in _PERHAPS_HERE if not _has(name)]
        target = ["--target", str(folder), "--no-deps"]
        _pip(sys.executable, [*target, LUNGMASK, *_BESIDE, *missing])
        return
    import venv

    say(f"Installing {LUNGMASK} and torch into {folder}; torch can take gigabytes")
    venv.create(folder, with_pip=True)
    _pip(str(_python_of(folder)), [LUNGMASK])


def _can_import_torch() -> bool:
    done = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True)
    return done.returncode == 0


def _has(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _pip(python: str, arguments: Sequence[str]) -> None:
    command = [python, "-m", "pip", "install", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("ERROR: ").strip(" .") if lines else "pip said nothing"
        raise PleuraError(
            f"lungmask could not be installed ({reason}); install it yourself and give its "
            "interpreter as --lungmask."
        )


def _probed(python: str, modules: Path | None, named: str) -> LungmaskEnvironment:
    try:
        done = run(_call(python, modules, ["probe"], {}), _PROBE_TIMEOUT_S)
    except RunError as error:
        raise UsageError(f"{named} can't import lungmask ({error}); {_DO}.") from error
    return LungmaskEnvironment(python, modules, last_json(done.stdout))


def _call(
    python: str, modules: Path | None, arguments: Sequence[str], environment: Mapping[str, str]
) -> Call:
    added = dict(environment)
    if modules is not None:
        others = os.environ.get("PYTHONPATH")
        added["PYTHONPATH"] = os.pathsep.join([str(modules), *([others] if others else [])])
    return Call((python, str(RUNNER), *arguments), added)
