"""What a header may claim: the one place for limits, all of them met before any allocation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pleura.errors import GeometryError, UnreadableError
from pleura.volume import MOST_VOXELS

MAX_SIDE = 8192  # along any axis; whole bodies have 3,000 slices, detectors 4,096 pixels
MOST_DEFLATE = 1100  # deflate (gzip, zlib, zip) never packs more than 1032 times


def check_grid(shape: Sequence[int], where: str) -> None:
    """Refuse a grid that no chest CT has.

    Args:
        shape: voxels along each axis, in any order.
        where: the scan, for the message.

    Raises:
        GeometryError: more than 8192 along one axis, or than 1.6e9 voxels in all.
    """
    if max(shape) > MAX_SIDE or math.prod(shape) > MOST_VOXELS:
        raise GeometryError(
            f"{where} claims {' x '.join(str(n) for n in shape)} voxels, more than pleura takes "
            f"({MAX_SIDE:,} along an axis, {MOST_VOXELS:,} in all); "
            "its header is damaged, or crop or resample it."
        )


def check_held(path: Path, needed: int, stored: int, most_packing: int = 1) -> None:
    """Refuse a header whose voxels can't all be in the file.

    Args:
        path: the scan, for the message.
        needed: bytes of voxels that the header claims.
        stored: bytes there are for them.
        most_packing: how many times smaller they can be; 1 where they lie plain.

    Raises:
        UnreadableError: there are too few.
    """
    if needed <= stored * most_packing and stored > 0:
        return
    again = "copy or convert the scan again"
    if most_packing == 1 or stored <= 0:
        raise UnreadableError(
            f"{path} is cut off ({max(0, stored)} bytes of voxels instead of {needed}); {again}."
        )
    raise UnreadableError(
        f"{path} claims {needed} bytes of voxels, which {stored} compressed bytes can't hold; "
        f"{again}."
    )


def three_dimensions(shape: Sequence[int], where: str) -> tuple[int, int, int]:
    """The shape (x, y, z) of a 2-D or 3-D image; a 2-D one gets one slice.

    Raises:
        GeometryError: 4-D (but for one time point), empty or over the limits.
    """
    full = [int(n) for n in shape] + [1] * (3 - len(shape))
    if any(n > 1 for n in full[3:]):
        raise GeometryError(
            f"{where} has {len(shape)} dimensions {tuple(shape)}; extract one 3-D scan from it."
        )
    x, y, z = full[:3]
    if min(x, y, z) < 1:
        raise GeometryError(f"{where} has no voxels {tuple(shape)}; convert the scan again.")
    check_grid((x, y, z), where)
    return x, y, z
