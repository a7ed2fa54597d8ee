"""A page with the labels that a cross-validation disagrees with most; it shows patients' slices.

Such a page stays where the scans are: it is no part of a report that is passed on.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pleura.lab.label_check import Disagreement
from pleura.report.picture import outline, windowed
from pleura.write.atomic import write_bytes

LABELS_COLOUR = (255, 193, 7)
PREDICTION_COLOUR = (38, 198, 218)
_WIDTH = 420
_HEAD = """<!doctype html><meta charset="utf-8"><title>Labels to look at</title>
<style>body{font:15px/1.4 sans-serif;margin:2em;background:#fff;color:#222}
figure{display:inline-block;margin:0 1em 1.5em 0;max-width:420px;vertical-align:top}
img{width:420px}</style>
<h1>Labels to look at</h1>
<p>The slice of each scan in which prediction (cyan) and labels (amber) differ most. A network that
had not seen the scan drew the prediction; which of the two is right is for a reader to say.</p>
<p>Slices of patients: keep this page where the scans are. For research, not a medical device.</p>
"""


def slice_png(
    hu: npt.NDArray[np.generic], found: npt.NDArray[np.bool_], labelled: npt.NDArray[np.bool_]
) -> bytes:
    """PNG of one slice (y, x) with the outlines of labels and prediction; pixels are square.

    The masks may be finer or coarser than the slice, but show the same field of view.
    """
    from PIL import Image

    size = (_WIDTH, max(1, round(_WIDTH * hu.shape[0] / hu.shape[1])))
    pixels = windowed(hu, size)
    for mask, colour in ((labelled, LABELS_COLOUR), (found, PREDICTION_COLOUR)):
        large = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
        pixels[outline(np.array(large) >= 128)] = colour
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def write_page(
    rows: Iterable[Disagreement], pictures: Mapping[tuple[str, str], bytes], path: Path
) -> None:
    """Write one HTML file with everything in it, atomically; raises OutputError.

    Args:
        rows: those to show, in this order.
        pictures: (source, name) -> PNG.
        path: the file.
    """
    figures = [_figure(row, pictures[row.source, row.name]) for row in rows]
    write_bytes(path, (_HEAD + "\n".join(figures)).encode())


def _figure(row: Disagreement, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    far = "" if row.deviations is None else f", {row.deviations:.1f} deviations"
    sides = "" if row.sides_dice is None else f", worse side {row.sides_dice:.4f}"
    words = (
        f"{row.source} {row.name}, slice {row.worst_slice}: Dice {row.dice:.4f}{sides}, "
        f"ASSD {row.assd_mm:.2f} mm{far}"
    )
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="">'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )
