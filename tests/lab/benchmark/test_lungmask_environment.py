"""Finding lungmask, and installing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pleura.errors import OutputError, PleuraError, UsageError
from pleura.lab.benchmark import lungmask_environment as lab
from pleura.lab.benchmark.lungmask_environment import installed_lungmask, lungmask_of
from tests.lab.benchmark.stand_in import interpreter_with, lungmask_stand_in


def silent(_: str) -> None:
    pass


def test_an_interpreter_that_has_it(stand_in: Path) -> None:
    program = str(interpreter_with(stand_in, sys.executable))
    environment = lungmask_of(program)
    assert (environment.python, environment.modules) == (program, None)
    assert environment.versions["lungmask"] == "0.2.22"


@pytest.mark.parametrize("python", ["/none/python", sys.executable])
def test_an_interpreter_that_has_not(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(UsageError, match="--install-lungmask FOLDER"):
        lungmask_of(python)


class Pip:
    """`subprocess.run` that imports torch or not, and installs a stand-in."""

    def __init__(self, torch: bool, fails: str | None = None) -> None:
        self.torch, self.fails = torch, fails
        self.arguments: list[str] = []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if command[1] == "-c":
            return subprocess.CompletedProcess(command, 0 if self.torch else 1)
        assert command[1:4] == ["-m", "pip", "install"]
        self.arguments = command[4:]
        if self.fails is not None:
            return subprocess.CompletedProcess(command, 1, "", self.fails)
        if "--target" in command:
            lungmask_stand_in(Path(command[command.index("--target") + 1]))
        else:
            interpreter_with(lungmask_stand_in(Path(command[0]).parents[1]), sys.executable).rename(
                command[0]
            )
        return subprocess.CompletedProcess(command, 0, "", "")


def test_beside_the_torch_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(torch=True)
    monkeypatch.setattr(lab.subprocess, "run", pip)
    folder, said = tmp_path / "new" / "lungmask", []
    environment = installed_lungmask(folder, said.append)
    assert "--no-deps" in pip.arguments and "lungmask==0.2.22" in pip.arguments
    assert not any(word.startswith(("torch", "numpy", "SimpleITK")) for word in pip.arguments)
    assert (environment.python, environment.modules) == (sys.executable, folder)
    assert len(said) == 1 and "this environment's torch" in said[0]
    pip.arguments = []
    assert installed_lungmask(folder, said.append) == environment
    assert pip.arguments == [] and len(said) == 1  # it is there already


def test_with_a_torch_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(folder: Path, with_pip: bool) -> None:
        assert with_pip
        (folder / "bin").mkdir(parents=True)

    pip = Pip(torch=False)
    monkeypatch.setattr(lab.subprocess, "run", pip)
    monkeypatch.setattr("venv.create", create)
    said: list[str] = []
    environment = installed_lungmask(tmp_path / "lungmask", said.append)
    assert pip.arguments == ["--quiet", "lungmask==0.2.22"]
    assert environment.python == str(tmp_path / "lungmask" / "bin" / "python")
    assert environment.modules is None and "gigabytes" in said[0]


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("note\nERROR: No matching distribution found for lungmask==0.2.22\n", "No matching"),
        ("/x/python: No module named pip\n", "No module named pip"),
        ("", "pip said nothing"),
    ],
)
def test_what_pip_could_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: str, words: str
) -> None:
    monkeypatch.setattr(lab.subprocess, "run", Pip(torch=True, fails=stderr))
    with pytest.raises(PleuraError, match=words):
        installed_lungmask(tmp_path / "lungmask", silent)
    assert not (tmp_path / "lungmask").exists()


def test_ctrl_c_leaves_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        (tmp_path / "lungmask" / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(lab.subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        installed_lungmask(tmp_path / "lungmask", silent)
    assert not (tmp_path / "lungmask").exists()


def test_a_folder_of_something_else_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds something else"):
        installed_lungmask(tmp_path, silent)
    assert (tmp_path / "thesis.tex").exists()
    with pytest.raises(UsageError, match="holds something else"):
        installed_lungmask(tmp_path / "thesis.tex", silent)


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        installed_lungmask(tmp_path / "lungmask", silent)
