"""An overlay picture: axial, coronal and sagittal slice, lung window, mask outlined and tinted."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pleura.labels import COLOURS, LEFT, RIGHT
from pleura.preprocess import Orientation
from pleura.volume import LabelArray, Mask, Volume
from pleura.write.atomic import write_bytes

LUNG_WINDOW_HU = (-1350.0, 150.0)  # level -600, width 1500
_TINT = 0.22
_HEIGHT = 420
_GAP = 8

Pixels = npt.NDArray[np.uint8]


def overlay(volume: Volume, mask: Mask) -> Pixels:
    """Three panels side by side, (height, width, 3) uint8, seen as radiologists do.

    Patient's right is on the left of the axial and coronal panel; the sagittal panel looks from
    the patient's left, front on the left. Slices go through the lungs where they are largest.
    """
    orientation = Orientation.of(volume.geometry)
    hu = orientation.apply(volume.array)
    labels = np.asarray(orientation.apply(mask.array), dtype=np.uint8)
    z_mm, y_mm, x_mm = orientation.geometry(volume.geometry).spacing_zyx_mm
    lungs = (labels == RIGHT) | (labels == LEFT)
    z, y, x = (_fullest(lungs, axis) for axis in range(3))
    views = [(hu[z], labels[z], (y_mm, x_mm))]
    if hu.shape[0] > 1:
        views.append((hu[::-1, y], labels[::-1, y], (z_mm, x_mm)))
        views.append((hu[::-1, :, x], labels[::-1, :, x], (z_mm, y_mm)))
    # One scale for all panels, so that sizes can be compared.
    pixel_mm = max(slice_.shape[0] * mm[0] for slice_, _, mm in views) / _HEIGHT
    panels = [_centred(_panel(*view, pixel_mm)) for view in views]
    gap = np.zeros((_HEIGHT, _GAP, 3), dtype=np.uint8)
    joined = [part for panel in panels for part in (gap, panel)][1:]
    return np.concatenate(joined, axis=1)


def write_picture(volume: Volume, mask: Mask, path: Path) -> None:
    """Write the overlay as PNG, atomically; raises OutputError."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(overlay(volume, mask)).save(buffer, format="PNG", optimize=True)
    write_bytes(path, buffer.getvalue())


def _fullest(lungs: npt.NDArray[np.bool_], axis: int) -> int:
    """The slice with most lung, the middle one without any."""
    counts = lungs.sum(axis=tuple(a for a in range(3) if a != axis))
    return int(counts.argmax()) if counts.any() else lungs.shape[axis] // 2


def _centred(panel: Pixels) -> Pixels:
    """The panel on black, `_HEIGHT` high."""
    space = _HEIGHT - panel.shape[0]
    return np.pad(panel, ((space // 2, space - space // 2), (0, 0), (0, 0)))


def _panel(
    hu: npt.NDArray[np.generic], labels: LabelArray, spacing_mm: tuple[float, float],
    pixel_mm: float,
) -> Pixels:  # fmt: skip
    from PIL import Image

    height = round(hu.shape[0] * spacing_mm[0] / pixel_mm)
    size = (max(1, round(hu.shape[1] * spacing_mm[1] / pixel_mm)), min(_HEIGHT, max(1, height)))
    rgb = windowed(hu, size).astype(np.float32)
    large = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    for label, colour in COLOURS.items():
        inside = large == label
        rgb[inside] = (1 - _TINT) * rgb[inside] + _TINT * np.array(colour)
        rgb[outline(inside)] = colour
    return rgb.astype(np.uint8)


def windowed(hu: npt.NDArray[np.generic], size: tuple[int, int]) -> Pixels:
    """A slice (y, x) in the lung window as (height, width, 3); `size` is (width, height)."""
    from PIL import Image

    low, high = LUNG_WINDOW_HU
    grey = np.clip((hu.astype(np.float32) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    resized = Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR)
    return np.array(resized.convert("RGB"))


def outline(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a 2-D mask with a face neighbour outside of it."""
    padded = np.pad(inside, 1)
    all_around = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~all_around
