"""Figures are well-formed, deterministic and show every run and scan."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from pleura.errors import UsageError
from pleura.lab.plots import COLOURS, STYLE
from pleura.lab.study.plots import INK, curves_svg, strips_svg
from pleura.lab.study.scores import Curve, ScanScore, StudyRecord
from tests.lab.study.fake_record import HOSTILE, TRAINED, hostile_study, realistic_study, tiny_study

_SVG = "{http://www.w3.org/2000/svg}"


def _texts(svg: str | None) -> list[str]:
    assert svg
    # Without its DOCTYPE, since nothing outside is to be looked up.
    root = ElementTree.fromstring(svg[svg.index("<svg") :])
    return ["".join(text.itertext()) for text in root.iter(f"{_SVG}text")]


def _dots(svg: str | None) -> int:
    """Marks of scatter plots."""
    assert svg
    root = ElementTree.fromstring(svg[svg.index("<svg") :])
    groups = [g for g in root.iter(f"{_SVG}g") if g.get("id", "").startswith("PathCollection")]
    return sum(len(list(group.iter(f"{_SVG}use"))) for group in groups)


def test_every_scan_is_a_dot_and_the_lowest_test_scan_is_named() -> None:
    svg = strips_svg(tiny_study())

    assert _dots(svg) == 3 + 4
    texts = _texts(svg)
    assert "s3\N{NO-BREAK SPACE}0.5000" in texts
    assert "s4\N{NO-BREAK SPACE}0.0000" in texts
    assert {"Net", "Rule", "V", "mean over patients"} <= set(texts)


def test_the_axis_is_labelled_in_dice() -> None:
    scores = tuple(
        ScanScore("Net", None, "v", str(i), str(i), "test", dice=dice)
        for i, dice in enumerate([0.85, 0.97, 0.999, 1.0])
    )
    texts = _texts(strips_svg(StudyRecord("t", ("Net",), "Net", scores)))

    assert {"0.9", "0.95", "0.99", "0.999"} <= set(texts)
    assert "0.5" not in texts


def test_curves_have_a_line_a_run_and_a_ring_at_the_best_step() -> None:
    record = realistic_study()
    texts = _texts(curves_svg(record))

    assert {*TRAINED, "seed 0", "seed 1", "weights kept"} <= set(texts)
    assert not [text for text in texts if "$" in text]


@pytest.mark.parametrize("loss", [(0.5, -0.1), (float("nan"), 0.3), (float("nan"), float("nan"))])
def test_losses_that_no_logarithm_has_are_drawn(loss: tuple[float, float]) -> None:
    curve = Curve("Net", 0, (1, 2), loss, (float("nan"), 1.0), 2, 1.0)

    assert "Training loss" in _texts(curves_svg(replace(tiny_study(), curves=(curve,))))


def test_nothing_to_draw_is_none() -> None:
    empty = StudyRecord("t", ("Net",), "Net", ())

    assert curves_svg(empty) is None
    assert strips_svg(empty) is None


def test_names_are_text_and_no_formula() -> None:
    for svg in (curves_svg(hostile_study()), strips_svg(hostile_study())):
        assert svg and "<script" not in svg
        assert any(text.startswith(HOSTILE[:20]) for text in _texts(svg))


def test_figures_are_the_same_twice_whatever_the_users_settings_are() -> None:
    import matplotlib

    record = replace(tiny_study(), curves=realistic_study().curves)
    first = curves_svg(record), strips_svg(record)
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "svg.hashsalt": "other"}):
        second = curves_svg(record), strips_svg(record)

    assert first == second
    assert first[0] and INK in first[0] and not re.search(r"<metadata|20\d\d-\d\d", first[0])


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = (
        "import sys, pleura.lab.study.report\n"
        "sys.exit(any(m in sys.modules for m in ('matplotlib', 'jinja2', 'torch', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pleura\[lab\]"):
        strips_svg(tiny_study())


def test_the_look_is_that_of_all_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pleura.lab.plots.STYLE", {**STYLE, "font.size": 13.0})
    svg = strips_svg(tiny_study())

    assert svg and "13px" in svg
    assert COLOURS[0] in svg
