"""The training store: slices and their targets in flat, memory-mapped files.

    STORE/<source>/images.bin    int16 HU, all slices one after the other, each (h, w)
    STORE/<source>/targets.bin   uint8 occupancies (0 to 255 = 0 to 1), each (channels, h, w)
    STORE/<source>/index.json    one entry a scan: role, shape, spacing, offset, body box, channels

Slices are canonical (patient's axes), cut to the body with a margin (or whole, for networks that
see the whole field of view), and area-averaged so that the longer side has at most
`StoreGrid.long_side` pixels: enough for zooming in, small enough to carry.
A source is written to a temporary folder and renamed when complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from pleura.body import Box, body_box
from pleura.errors import OutputError, UsageError
from pleura.lab.leftovers import of_this_process, remove_leftovers
from pleura.labels import CHANNELS
from pleura.preprocess import NetworkGrid, Orientation
from pleura.volume import AIR_HU, HUArray, LabelArray, Volume

SCHEMA_VERSION = 1
FRAMES = ("body", "whole")


@dataclass(frozen=True)
class StoreGrid:
    """What the store keeps of a slice.

    Args:
        long_side: pixels along the longer side, at most.
        margin: round the body, as a share of its longer side.
        frame: "body" keeps the body with its margin, "whole" the whole field of view.
    """

    long_side: int = 384
    margin: float = 0.12
    frame: str = "body"


@dataclass(frozen=True)
class Scan:
    """One scan of the store.

    Args:
        name, patient, role, source: who it is and what it may be used for.
        offset: index of its first pixel in images.bin (targets.bin: times the channels).
        shape: (slices, h, w).
        spacing_mm: (z, y, x) on the store's grid; z is the scan's own.
        body: y0, y1, x0, x1 of the body box in pixels of the store.
        channels: the channels that its labels name; "lungs" alone when sides are unknown.
        whole: the slices are the scan's whole field of view, not only the body.
    """

    name: str
    patient: str
    role: str
    source: str
    offset: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    body: tuple[float, float, float, float]
    channels: tuple[str, ...]
    whole: bool = False

    @property
    def voxels(self) -> int:
        return int(np.prod(self.shape))

    def box(self, crop: str) -> Box:
        """What a network with this `Preprocessing.crop` sees, in pixels of the store.

        Raises:
            UsageError: the whole field of view is wanted, but the store kept the body alone.
        """
        if crop == "body":
            return Box(*self.body)
        if not self.whole:
            raise UsageError(
                f"preprocessing.crop = 'none' needs whole slices, but the store kept only the body "
                f"of '{self.name}'; run `pleura prepare` again with --frame whole."
            )
        return Box(0, self.shape[1], 0, self.shape[2])


class StoreWriter:
    """Writes one source of a store; use as a context manager. An error leaves nothing behind.

    What a killed process of this machine left of the same source is removed first.

    Raises:
        UsageError: a source's name that can't be a folder's in the store, or an unknown frame.
    """

    def __init__(self, store: Path, source: str, grid: StoreGrid | None = None) -> None:
        if not source or source.startswith(".") or Path(source).name != source:
            raise UsageError(
                f"'{source}' can't name a data set; name it by --set, without / or a leading dot."
            )
        self.grid = grid or StoreGrid()
        if self.grid.frame not in FRAMES:
            raise UsageError(f"frame must be one of {', '.join(FRAMES)}, not {self.grid.frame!r}.")
        self.source = source
        self._final = store / source
        self._folder = store / of_this_process(f".{source}.partial-")
        self._scans: list[Scan] = []
        self._offset = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._final.parent, f".{self.source}.partial-")
        if self._final.exists():  # else an older one may be the only copy
            remove_leftovers(self._final.parent, f".{self.source}.older-")
        self._images: BinaryIO = (self._folder / "images.bin").open("wb")
        self._targets: BinaryIO = (self._folder / "targets.bin").open("wb")
        return self

    def add(
        self, volume: Volume, occupancy: npt.NDArray[np.bool_], channels: tuple[str, ...],
        name: str, patient: str, role: str,
    ) -> Scan:  # fmt: skip
        """Append a scan with its targets, booleans (channels, z, y, x) on the volume's grid.

        After another error nothing of the scan is in the store, and the next one can be added.

        Raises:
            OutputError: the store can't be written.
        """
        try:
            return self._append(volume, occupancy, channels, (name, patient, role))
        except OutputError:
            raise
        except Exception:
            self._cut_back()
            raise

    def _append(
        self, volume: Volume, occupancy: npt.NDArray[np.bool_], channels: tuple[str, ...],
        who: tuple[str, str, str],
    ) -> Scan:  # fmt: skip
        orientation = Orientation.of(volume.geometry)
        hu: HUArray = orientation.apply(volume.array)  # type: ignore[assignment]
        height, width = hu.shape[1:]
        spacing_z, *spacing_yx = orientation.geometry(volume.geometry).spacing_zyx_mm
        body = body_box(hu)
        whole = self.grid.frame == "whole"
        frame = body.grown(self.grid.margin * body.longer, (height, width))
        if whole:
            frame = Box(0, height, 0, width)
        native = (frame.y1 - frame.y0) * spacing_yx[0], (frame.x1 - frame.x0) * spacing_yx[1]
        # Never finer than the scan: that would only make the store larger.
        long_side = min(self.grid.long_side, int(np.ceil(max(native) / min(spacing_yx) - 1e-6)))
        grid = NetworkGrid.fit(
            frame, (height, width), (spacing_yx[0], spacing_yx[1]), long_side, multiple=1
        )
        for start in range(0, hu.shape[0], 16):
            part = slice(start, start + 16)
            image = grid.forward(np.clip(hu[part], AIR_HU, 3071), padding=AIR_HU)
            targets = [grid.forward(orientation.apply(c)[part]) * 255 for c in occupancy]
            with self._writing():
                # Unlike `tofile`, these always report a full disk.
                self._images.write(image.round().astype("<i2").tobytes())
                self._targets.write(np.stack(targets, axis=1).round().astype(np.uint8).tobytes())
        with self._writing():
            self._images.flush()
            self._targets.flush()
        h, w = grid.shape
        scan = Scan(
            *who, self.source, self._offset, (hu.shape[0], h, w),
            (spacing_z, grid.pixel_mm, grid.pixel_mm),
            _box_on_grid(body, frame, (h, w), grid.pixel_mm, spacing_yx), channels, whole,
        )  # fmt: skip
        self._scans.append(scan)
        self._offset += scan.voxels
        return scan

    def _cut_back(self) -> None:
        """Take away what was written of a scan that isn't complete."""
        with self._writing():
            for file, size in ((self._images, 2), (self._targets, len(CHANNELS))):
                file.seek(self._offset * size)
                file.truncate()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self._final} could not be written ({error.strerror or error}); free space or "
                "choose another place."
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        try:
            with self._writing(), self._targets, self._images:
                pass  # closing writes, too
            if kind is None and self._scans:
                self._publish()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _publish(self) -> None:
        """Write the index and put the folder in the place of the source's older one."""
        index = {
            "schema_version": SCHEMA_VERSION,
            "channels": list(CHANNELS),
            "grid": asdict(self.grid),
            "scans": [asdict(scan) for scan in self._scans],
        }
        (self._folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
        older = self._final.with_name(of_this_process(f".{self.source}.older-"))
        if self._final.exists():
            self._final.rename(older)
        self._folder.rename(self._final)
        shutil.rmtree(older, ignore_errors=True)


def _box_on_grid(
    box: Box, frame: Box, shape: tuple[int, int], pixel_mm: float, spacing_yx: list[float]
) -> tuple[float, float, float, float]:
    """The body box in the store's pixels; the grid is centred on the frame."""
    step_y, step_x = pixel_mm / spacing_yx[0], pixel_mm / spacing_yx[1]
    y_start = (frame.y0 + frame.y1) / 2 - shape[0] * step_y / 2
    x_start = (frame.x0 + frame.x1) / 2 - shape[1] * step_x / 2
    return (
        (box.y0 - y_start) / step_y, (box.y1 - y_start) / step_y,
        (box.x0 - x_start) / step_x, (box.x1 - x_start) / step_x,
    )  # fmt: skip


class Store:
    """A store opened for reading: `store.scans`, and slices by scan and number.

    Raises:
        UsageError: no store there, a damaged one, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scans: list[Scan] = []
        self._maps: dict[str, tuple[npt.NDArray[np.int16], LabelArray]] = {}
        for index in sorted(path.glob("*/index.json")):
            if index.parent.name.startswith("."):
                continue
            try:
                self._open_source(index)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{index.parent} is damaged ({error}); run `pleura prepare` again."
                ) from error
        if not self.scans:
            raise UsageError(f"{path} is no training store; make one by `pleura prepare`.")

    def _open_source(self, index: Path) -> None:
        data = json.loads(index.read_text(encoding="utf-8"))
        if data["schema_version"] != SCHEMA_VERSION or data["channels"] != list(CHANNELS):
            raise UsageError(f"{index} is of another version; run `pleura prepare` again.")
        source = index.parent.name  # the folder may have been renamed since
        scans = [replace(_scan_from(entry), source=source) for entry in data["scans"]]
        images = np.memmap(index.parent / "images.bin", dtype="<i2", mode="r")
        targets = np.memmap(index.parent / "targets.bin", dtype=np.uint8, mode="r")
        voxels = sum(scan.voxels for scan in scans)
        if images.size != voxels or targets.size != voxels * len(CHANNELS):
            raise ValueError("its files have another size than its index says")
        self.scans += scans
        self._maps[source] = images, targets

    def images(self, scan: Scan, start: int = 0, stop: int | None = None) -> HUArray:
        """HU of slices [start, stop), (n, h, w)."""
        n, h, w = scan.shape
        stop = n if stop is None else stop
        flat = self._maps[scan.source][0]
        return flat[scan.offset + start * h * w : scan.offset + stop * h * w].reshape(-1, h, w)

    def targets(self, scan: Scan, start: int = 0, stop: int | None = None) -> LabelArray:
        """Occupancies 0 to 255 of slices [start, stop), (n, channels, h, w)."""
        n, h, w = scan.shape
        stop = n if stop is None else stop
        size = len(CHANNELS) * h * w
        first = len(CHANNELS) * scan.offset
        flat = self._maps[scan.source][1]
        return flat[first + start * size : first + stop * size].reshape(-1, len(CHANNELS), h, w)

    def of_role(self, role: str) -> Iterator[Scan]:
        return (scan for scan in self.scans if scan.role == role)


def scans_of_other_sources(store: Path, source: str) -> list[Scan]:
    """The scans of every other source of a store, without those of sources that can't be read."""
    scans = []
    for index in sorted(store.glob("*/index.json")):
        name = index.parent.name
        if name == source or name.startswith("."):
            continue
        try:
            entries = json.loads(index.read_text(encoding="utf-8"))["scans"]
            scans += [replace(_scan_from(entry), source=name) for entry in entries]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return scans


def _scan_from(entry: Mapping[str, Any]) -> Scan:
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return Scan(**tuples)
