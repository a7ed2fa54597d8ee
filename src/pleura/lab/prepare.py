"""`pleura prepare`: a folder of labelled scans -> one source of a training store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cc3d
import numpy as np
import numpy.typing as npt

from pleura.body import body_box
from pleura.errors import GeometryError, InputError, UsageError
from pleura.lab.masks import IntArray, read_mask
from pleura.lab.sources import Pair, find_pairs
from pleura.lab.split import Split
from pleura.lab.store import StoreGrid, StoreWriter
from pleura.labels import CHANNELS, any_of, lungs_of, resolve_scheme
from pleura.preprocess import Orientation
from pleura.read import read
from pleura.volume import Geometry, Volume

_GRID_TOLERANCE_MM = 0.1
_SMALL_PIECE = 0.01  # of the lungs' area: crumbs that don't decide about sides
_MIDLINE_SHARE = 0.10  # a lung may reach across the body's middle by this share of its area


Progress = Callable[[Iterable[Pair]], Iterable[Pair]]


@dataclass(frozen=True)
class PrepareOptions:
    """How to read a data set.

    Args:
        labels: label scheme, None as `labels.resolve_scheme` decides.
        more_images: further folders that hold images by name (files or DICOM folders).
        split: CSV with set, name, patient, role; None splits by a hash of the name.
        set_name: the data set's name in the split and the store; None takes the folder's name.
        grid: how finely the store samples.
    """

    labels: str | None = None
    more_images: tuple[Path, ...] = ()
    split: Path | None = None
    set_name: str | None = None
    grid: StoreGrid = field(default_factory=StoreGrid)


@dataclass(frozen=True)
class PrepareReport:
    """What went into the store, and what was left out with the reason."""

    scans: int
    slices: int
    roles: Counter[str]
    without_sides: tuple[str, ...]
    left_out: tuple[str, ...]


def prepare_source(
    source: Path, store: Path, options: PrepareOptions, progress: Progress | None = None
) -> PrepareReport:
    """Read every pair, put it on the store's grid and write it; an unusable pair is reported.

    Raises:
        UsageError: no known layout, or nothing usable in it.
    """
    pairs, left_out = find_pairs(source, options.more_images)
    set_name = options.set_name or source.resolve().name
    split = Split.from_csv(options.split, set_name) if options.split else Split.by_hash()
    roles: Counter[str] = Counter()
    without_sides, slices = [], 0
    with StoreWriter(store, set_name, options.grid) as writer:
        for pair in progress(pairs) if progress else pairs:
            patient, role = split.of(pair.name)
            try:
                volume, occupancy, channels = load_pair(pair, options.labels)
            except UsageError:
                raise
            except InputError as error:
                left_out.append(f"{pair.name}: {error}")
                continue
            scan = writer.add(volume, occupancy, channels, pair.name, patient, role)
            roles[role] += 1
            slices += scan.shape[0]
            if "right" not in channels:
                without_sides.append(pair.name)
        if not roles:
            raise UsageError(f"{source} has no usable pair: {left_out[-1]}")
    return PrepareReport(sum(roles.values()), slices, roles, tuple(without_sides), tuple(left_out))


def load_pair(
    pair: Pair, labels: str | None
) -> tuple[Volume, npt.NDArray[np.bool_], tuple[str, ...]]:
    """Image, targets (channels, z, y, x) on its grid, and the channels that the labels name.

    Whether empty airways mean "none here" or "not labelled" can't be told from one file, so they
    count as labelled only when the scheme was named or the file has some.

    Raises:
        InputError: unreadable, or grids that don't match.
        UsageError: numbers that aren't in the label scheme.
    """
    volume = read(pair.image)
    array, geometry = read_mask(pair.labels)
    array = onto_grid(array, geometry, volume.geometry, pair.name)
    try:
        scheme = resolve_scheme(np.unique(array), labels)
    except UsageError as error:
        raise UsageError(f"{pair.labels}: {error}") from error
    if scheme.has_sides:
        occupancy = np.stack(
            [any_of(array, numbers) for numbers in (scheme.right, scheme.left, scheme.airways)]
        )
        airways = bool(scheme.airways) and (labels is not None or bool(occupancy[2].any()))
        return volume, occupancy, CHANNELS if airways else CHANNELS[:2]
    lungs = lungs_of(array, scheme)
    sides = sides_from_geometry(lungs, volume)
    occupancy = np.zeros((len(CHANNELS), *lungs.shape), dtype=bool)
    if sides is None:
        occupancy[0] = lungs  # by convention the union lies in the first channel
        return volume, occupancy, ("lungs",)
    occupancy[0], occupancy[1] = sides
    return volume, occupancy, ("right", "left")


def onto_grid(array: IntArray, have: Geometry, want: Geometry, name: str) -> IntArray:
    """Labels on the image's grid: the same, or the same with axes flipped or permuted.

    Raises:
        GeometryError: the grids are not one.
    """
    if have.matches(want, _GRID_TOLERANCE_MM):
        return array
    canonical = Orientation.of(have)
    target = Orientation.of(want)
    if not canonical.geometry(have).matches(target.geometry(want), _GRID_TOLERANCE_MM):
        raise GeometryError(
            f"Image and labels of {name} lie on different grids ({want.shape_zyx} and "
            f"{have.shape_zyx} voxels); resample the labels to the image."
        )
    return np.asarray(target.undo(canonical.apply(array)), dtype=array.dtype)


def sides_from_geometry(
    lungs: npt.NDArray[np.bool_], volume: Volume
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None:
    """(right, left) of a merged mask when every piece lies clearly on one side, else None.

    Pieces are 3-D connected components; the middle is that of the body box. A piece that reaches
    across the middle by more than a tenth of its size (lungs that touch) leaves sides unknown.
    """
    orientation = Orientation.of(volume.geometry)
    canonical = np.ascontiguousarray(orientation.apply(lungs))
    box = body_box(orientation.apply(volume.array))  # type: ignore[arg-type]
    middle = (box.x0 + box.x1) / 2
    pieces, count = cc3d.connected_components(canonical, connectivity=6, return_N=True)
    right = np.zeros_like(canonical)
    total = int(canonical.sum())
    for number in range(1, count + 1):
        piece = pieces == number
        columns = piece.sum(axis=(0, 1))
        size = int(columns.sum())
        share_right = columns[np.arange(columns.size) + 0.5 < middle].sum() / size
        crosses = _MIDLINE_SHARE < share_right < 1 - _MIDLINE_SHARE
        if crosses and size > _SMALL_PIECE * total:
            return None
        if share_right >= 0.5:
            right |= piece
    right = np.asarray(orientation.undo(right), dtype=bool)
    return right, lungs & ~right
