"""A study as one HTML page that needs nothing else: pictures and figures are inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from pleura.errors import as_pleura_error
from pleura.lab.study.aggregate import Aggregate, aggregate
from pleura.lab.study.contents import sections
from pleura.lab.study.plots import BLUE, INK, PAPER, figures
from pleura.lab.study.scores import StudyRecord
from pleura.lab.study.table import DISCLAIMER
from pleura.lab.study.wording import dice

_TEMPLATE = "study.html"
_COLOURS = {INK: "currentColor", PAPER: "var(--paper)", BLUE: "var(--blue)"}
# What comes before the figures; the rest is for looking up.
_LEADING = ("facts", "table", "reading", "tests")


def to_html(
    record: StudyRecord,
    numbers: Aggregate | None = None,
    drawn: Mapping[str, str] | None = None,
) -> str:
    """The report with its figures and pictures.

    Args:
        numbers, drawn: of `aggregate` and `figures`, if they are there already.

    Raises:
        UsageError: matplotlib or jinja2 isn't installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise as_pleura_error(error) from None
    numbers = numbers or aggregate(record)
    environment = Environment(
        loader=PackageLoader("pleura.lab.study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    parts = sections(record, numbers)
    drawn = figures(record, numbers) if drawn is None else drawn
    # The figures are ours: matplotlib has escaped the names in them.
    inline = {name: Markup(_inline(svg, name)) for name, svg in drawn.items()}
    return environment.get_template(_TEMPLATE).render(
        title=record.title,
        disclaimer=DISCLAIMER,
        leading=[part for part in parts if part.key in _LEADING],
        following=[part for part in parts if part.key not in _LEADING],
        curves=inline.get("curves"),
        strips=inline.get("strips"),
        pictures=record.pictures,
        picture_note=record.picture_note,
        data_uri=_data_uri,
        dice=dice,
    )


def _inline(svg: str, prefix: str) -> str:
    """An SVG file as an element of a page: no prologue, ids of its own, the page's colours."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r' xmlns(?::xlink)?="[^"]*"', "", element, count=2)
    # HTML's parser knows the old name too, but the plain one is today's.
    element = element.replace("xlink:href=", "href=")
    element = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}-", element)
    for ours, theirs in _COLOURS.items():
        element = element.replace(ours, theirs)
    return element


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
