"""First screens, wrong calls, and what they load."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import jsonschema
import pytest

from pleura.record import schema
from tests.scans import Pleura

COMMANDS = (
    "segment", "info", "evaluate", "prepare", "pseudo-label", "check-labels", "train", "study",
    "benchmark", "export",
)  # fmt: skip
HEAVY = {"numpy", "torch", "SimpleITK", "nibabel", "onnxruntime", "pydicom", "rich.progress"}


@pytest.mark.parametrize("arguments", [[], ["--help"], *([c, "--help"] for c in COMMANDS)])
def test_first_screens_say_for_research(pleura: Pleura, arguments: list[str]) -> None:
    run = pleura(*arguments)
    assert run.code == 0 and run.err == ""
    assert "For research, not a medical device." in run.out
    assert run.out.startswith("Usage: pleura")


def test_help_lists_every_command(pleura: Pleura) -> None:
    out = pleura("--help").out
    assert all(f" {command} " in out for command in COMMANDS)


def test_help_of_segment_is_whole(pleura: Pleura) -> None:
    out = " ".join(pleura("segment", "--help").out.replace("│", " ").split())
    assert "Default: <scan>_lungs.nii.gz here." in out
    for option in ("--output -o", "--series", "--threads", "--engine", "--precision", "--picture",
                   "--airways", "--merge", "--json", "--strict", "--model"):  # fmt: skip
        assert option in out


def test_version(pleura: Pleura) -> None:
    assert pleura("--version").out.strip() == version("pleura")


WRONG = {
    "unknown command": (["segmnt"], "segmnt"),
    "unknown option": (["segment", "a.nii", "--threds", "2"], "--threds"),
    "no scan": (["segment"], "SCAN"),
    "no scan for info": (["info"], "SCAN"),
    "two scans": (["segment", "a.nii", "b.nii"], "b.nii"),
    "no value": (["segment", "a.nii", "-o"], "-o"),
    "no number": (["segment", "a.nii", "--threads", "two"], "two"),
    "one mask": (["evaluate", "a.nii"], "REFERENCE"),
}


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls(pleura: Pleura, case: str, as_json: bool) -> None:
    arguments, word = WRONG[case]
    run = pleura(*arguments, *["--json"] * as_json)
    assert run.code == 2
    run.assert_one_sentence()
    assert word in run.err
    if as_json:
        jsonschema.validate(run.json, schema("error"))
        assert run.json["error"]["code"] == "usage"
    else:
        assert run.out == ""


def test_a_misspelt_command_is_recognised(pleura: Pleura) -> None:
    assert 'did you mean "segment"' in pleura("segmnt").err


def loaded(code: str) -> set[str]:
    """Modules that a fresh interpreter has after running the code."""
    code += "\nimport sys; print('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES")[2].split())


def test_help_loads_no_heavy_library() -> None:
    found = loaded("from pleura.cli import main; assert main(['--help']) == 0")
    assert "pleura.cli.run" in found
    assert not HEAVY & found


@pytest.mark.parametrize("command", ["prepare", "evaluate"])
def test_help_names_every_label_scheme_and_layout(pleura: Pleura, command: str) -> None:
    from pleura.lab.sources import LAYOUTS
    from pleura.labels import SCHEMES

    out = " ".join(pleura(command, "--help").out.replace("│", " ").split())
    names = [*SCHEMES, *(LAYOUTS if command == "prepare" else ())]
    assert [name for name in names if name not in out] == []
