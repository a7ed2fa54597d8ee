"""docs/luna16.md: its commands run, in its order, on a tree of its layout, and write its files."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
import SimpleITK as sitk

from pleura.cli import main
from tests.lab.study.conftest import small_seed_config

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "luna16.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The page's `pleura` commands, as words."""
    blocks = re.findall(r"```bash\n(.+?)```", PAGE, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.strip().splitlines()]


def listed_files() -> list[str]:
    """What section 6 says lies in the study's folder."""
    block = re.search(r"\n    studies/study-seed/\n((?:      .+\n)+)", PAGE)
    assert block is not None
    names = [re.split(r"  +", line.strip())[0] for line in block[1].splitlines()]
    return [name for entry in names for name in entry.split(", ")]


@pytest.fixture
def study_folder(back_there):
    """A working folder as the page wants it, with the config made small."""
    config = back_there / "configs" / "study-seed.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(small_seed_config())
    return back_there


def test_the_page_names_prepare_study_and_segment():
    assert [words[:2] for words in commands()] == [
        ["pleura", "prepare"], ["pleura", "study"], ["pleura", "segment"],
    ]  # fmt: skip


def test_every_command_works_and_writes_what_is_listed(study_folder, capsys):
    scan = next((study_folder / "luna16" / "subset0").glob("*.mhd"))
    for command in commands():
        words = [word.replace("512", "64").replace("SCAN.mhd", scan.name) for word in command]
        assert main(words[1:]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "Res18 Focal" in out
    assert "seed_slice_dice" in out
    for name in listed_files():
        assert (study_folder / "studies" / "study-seed" / name).exists(), name
    mask = sitk.ReadImage(study_folder / "mask.nii.gz")
    assert mask.GetSize() == sitk.ReadImage(scan).GetSize()


def test_the_page_is_one_file_with_every_row(study_folder):
    html = (study_folder / "studies" / "study-seed" / "study.html").read_text(encoding="utf-8")
    for row in ("Res34 BCE", "Res18 BCE", "Res18 Dice", "Res18 Focal", "Threshold baseline"):
        assert row in html
    links: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, _tag, attrs):
            links.extend(value for name, value in attrs if name in ("src", "href") and value)

    Links().feed(html)
    assert all(link.startswith(("data:", "#")) for link in links)


def test_numbers_of_the_page_are_the_seeds():
    table = re.search(r"\| Res34 BCE(?:.+\n)+", PAGE)
    assert table is not None
    assert re.findall(r"0\.\d{4}", table[0]) == ["0.9560", "0.9573", "0.9517", "0.8559", "0.9526"]
