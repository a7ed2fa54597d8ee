"""`pleura pack`: a training store -> one file of at most so many MiB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pleura.errors import UsageError
from pleura.lab.pack.codec import OCCUPANCY_STEPS, pictures, squeezed
from pleura.lab.pack.file import PackedScan, packed_bytes
from pleura.lab.pack.reduce import STEPS_HU, Reduction, noise_hu, reduced
from pleura.lab.pack.report import PackedSource, PackReport
from pleura.lab.store import SCHEMA_VERSION, SHORTEST_LONG_SIDE, Scan, Store
from pleura.labels import CHANNELS
from pleura.write import check_place
from pleura.write.atomic import write_bytes

ROLES = ("train", "validation", "test")
MIB = 2**20
_SMALLEST_LONG_SIDE = 256  # what the networks of configs/ see
_SLICES_MM = (0.0, 4.0, 6.0)  # 0: all slices

Tracker = Callable[[Sequence[Scan]], Iterable[Scan]]


@dataclass(frozen=True)
class PackOptions:
    """What goes into a packed store.

    Args:
        max_mib: size of the file at most, in MiB (2^20 bytes).
        long_side: pixels of a slice along its longer side, at most.
        roles: scans of other roles are left out.

    Raises:
        UsageError: no size, a short long side, or an unknown role.
    """

    max_mib: float = 20.0
    long_side: int = 288
    roles: tuple[str, ...] = ("train", "validation")

    def __post_init__(self) -> None:
        """Refuse what can't be packed (UsageError), before any work."""
        if not self.max_mib > 0:
            raise UsageError(f"--max-mib must be above 0, not {self.max_mib}.")
        if self.long_side < SHORTEST_LONG_SIDE:
            raise UsageError(
                f"--long-side must be at least {SHORTEST_LONG_SIDE} pixels, not {self.long_side}."
            )
        for role in self.roles:
            if role not in ROLES:
                raise UsageError(f"There is no role '{role}'; known are {', '.join(ROLES)}.")


def ladder(long_side: int) -> Iterator[Reduction]:
    """What is given up, in this order, until the file is small enough.

    1. Nothing more than the long side, HU in steps of 16 and occupancies in steps of 1/16.
    2. HU in steps of 24, then 32, of scans whose noise is larger than the rounding's error.
    3. Slices of thin-sliced scans: every n-th, at most 4 mm apart; with HU as in 1, then as in 2.
    4. The same, at most 6 mm apart.
    5. The long side, down to 256; with HU in steps of up to 32.
    """
    for slice_mm in _SLICES_MM:
        for step in STEPS_HU:
            yield Reduction(long_side, step, slice_mm)
    if long_side > _SMALLEST_LONG_SIDE:
        yield Reduction(_SMALLEST_LONG_SIDE, STEPS_HU[-1], _SLICES_MM[-1])


def pack_store(
    path: Path, file: Path, options: PackOptions | None = None, tracker: Tracker = iter
) -> PackReport:
    """Write the packed store; the same store and options give the same bytes (of one libwebp).

    Args:
        path: a store, `pleura prepare`'s folder or another packed file.
        file: written atomically.
        tracker: goes through the scans once for every rung of `ladder`, to show progress.

    Raises:
        UsageError: no store, no scan of the roles, a place where no file can or should be (the
            store itself, too), or a store that stays too large.
        OutputError: the file can't be written.
    """
    options = options or PackOptions()
    store = Store(path)
    check_place(file, path)
    scans = [scan for scan in store.scans if scan.role in options.roles]
    if not scans:
        raise UsageError(f"{path} has no scan with the role {' or '.join(options.roles)}.")
    packer, data = _Packer(store, scans), b""
    for reduction in ladder(options.long_side):
        packed = packer.packed(reduction, tracker)
        data = packed_bytes(_header(store, packed, reduction), [b for p in packed for b in p.parts])
        if len(data) <= options.max_mib * MIB:
            write_bytes(file, data)
            return _report(store, packed, reduction, len(data))
    raise UsageError(
        f"{path} takes {len(data) / MIB:.1f} MiB at least, more than --max-mib "
        f"({options.max_mib:g}); allow more, or leave out a source or a role."
    )


@dataclass(frozen=True, eq=False)
class _Packed:
    """A scan on its way into the file, without its slices."""

    scan: Scan
    before: Scan
    noise_hu: float
    step_hu: int
    squared_hu: float
    pictures: list[bytes]
    targets: bytes

    @property
    def parts(self) -> list[bytes]:
        return [*self.pictures, self.targets]


class _Packer:
    """Packs the scans rung by rung; what two rungs do alike is done once."""

    def __init__(self, store: Store, scans: Sequence[Scan]) -> None:
        self.store, self.scans = store, scans
        self._noise: dict[tuple[Scan, int], float] = {}
        self._done: dict[tuple[Scan, int, int, int], _Packed] = {}

    def packed(self, reduction: Reduction, tracker: Tracker) -> list[_Packed]:
        return [self._one(scan, reduction) for scan in tracker(self.scans)]

    def _one(self, scan: Scan, reduction: Reduction) -> _Packed:
        long_side = min(max(scan.shape[1:]), reduction.long_side)
        if (scan, long_side) not in self._noise:
            self._noise[scan, long_side] = noise_hu(self.store, scan, long_side)
        noise = self._noise[scan, long_side]
        how = long_side, reduction.step_hu(noise), reduction.every(scan)
        if (scan, *how) not in self._done:
            new = reduced(self.store, scan, *how)
            images, targets = pictures(new.images), squeezed(new.targets)
            self._done[scan, *how] = _Packed(
                new.scan, scan, noise, new.step_hu, new.squared_hu, images, targets
            )
        return self._done[scan, *how]


def _header(store: Store, packed: Sequence[_Packed], reduction: Reduction) -> dict[str, Any]:
    """What the file says before its parts; indices are those of the unpacked store."""
    return {
        "reduction": {**asdict(reduction), "occupancy_steps": OCCUPANCY_STEPS},
        "sources": {
            source: {
                "index": _index(store.long_sides.get(source), group, reduction),
                "packed": [
                    asdict(PackedScan(p.step_hu, tuple(map(len, p.pictures)), len(p.targets)))
                    for p in group
                ],
            }
            for source, group in _by_source(packed)
        },
    }


def _index(long_side: int | None, group: Sequence[_Packed], reduction: Reduction) -> dict[str, Any]:
    scans, offset = [], 0
    for packed in group:
        scans.append(asdict(replace(packed.scan, offset=offset)))
        offset += packed.scan.voxels
    kept = min(long_side or reduction.long_side, reduction.long_side)
    return {
        "schema_version": SCHEMA_VERSION,
        "channels": list(CHANNELS),
        "grid": {"long_side": kept},
        "scans": scans,
    }


def _by_source(packed: Sequence[_Packed]) -> Iterator[tuple[str, list[_Packed]]]:
    """In the store's order, which is sorted."""
    for source in dict.fromkeys(p.scan.source for p in packed):
        yield source, [p for p in packed if p.scan.source == source]


def _report(store: Store, packed: Sequence[_Packed], reduction: Reduction, size: int) -> PackReport:
    rows = []
    for source, group in _by_source(packed):
        steps = [p.step_hu for p in group]
        rows.append(
            PackedSource(
                name=source,
                scans=len(group),
                scans_left_out=sum(s.source == source for s in store.scans) - len(group),
                slices=sum(p.scan.shape[0] for p in group),
                slices_before=sum(p.before.shape[0] for p in group),
                coarser_scans=sum(p.scan.shape[1:] != p.before.shape[1:] for p in group),
                noise_hu=sorted(p.noise_hu for p in group)[len(group) // 2],
                steps_hu={step: steps.count(step) for step in sorted(set(steps))},
                rms_error_hu=(
                    sum(p.squared_hu for p in group) / sum(p.scan.voxels for p in group)
                ) ** 0.5,
                image_mib=sum(len(b) for p in group for b in p.pictures) / MIB,
                target_mib=sum(len(p.targets) for p in group) / MIB,
            )
        )  # fmt: skip
    return PackReport(size / MIB, reduction, tuple(rows))
