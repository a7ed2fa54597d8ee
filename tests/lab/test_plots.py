from __future__ import annotations

import importlib
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pleura.errors import OutputError, UsageError
from pleura.lab.plots import bland_altman, rendered, styled_figure
from pleura.lab.statistics import Agreement, agreement

pytest.importorskip("matplotlib")


def of(n: int) -> Agreement:
    return agreement(
        [4000.0 + 100 * i + i**2 for i in range(n)], [4000.0 + 100 * i for i in range(n)]
    )


def test_svg_says_what_it_shows_and_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        bland_altman([("ours $x", of(7)), ("theirs", of(3))], tmp_path / name)
    words = (tmp_path / "a.svg").read_text("utf-8")
    assert (tmp_path / "b.svg").read_text("utf-8") == words
    assert "ours $x (n = 7 scans)" in words and "theirs (n = 3 scans)" in words
    # Squares of 0 ... 6: mean 13, standard deviation 13.49.
    assert "bias +13 ml, limits −13 to +39 ml" in words  # noqa: RUF001
    assert words.count("limits") == 1  # three scans have none
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg"]


def test_png_and_trouble(tmp_path: Path) -> None:
    bland_altman([("one", of(1))], tmp_path / "a.png")
    with Image.open(BytesIO((tmp_path / "a.png").read_bytes())) as image:
        assert image.width > 600
    with pytest.raises(UsageError, match=r"\.gif"):
        bland_altman([("one", of(6))], tmp_path / "a.gif")
    with pytest.raises(OutputError, match="none"):
        bland_altman([("one", of(6))], tmp_path / "none" / "a.png")


def test_the_style_stays_inside_and_needs_no_window() -> None:
    mpl = importlib.import_module("matplotlib")
    before = dict(mpl.rcParams)
    with styled_figure(2.0, 2.0) as figure:
        figure.subplots().plot([0, 1])
        assert rendered(figure, ".PNG").startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    code = "import sys, pleura.lab.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_missing_matplotlib_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'pleura\[lab\]'"):
        bland_altman([("one", of(6))], tmp_path / "a.png")
