"""What `pleura prepare` found, used and left out; the JSON object is `schemas/prepare.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pleura.findings import count_of
from pleura.lab.sources import LeftOut
from pleura.lab.store import Scan
from pleura.record import SCHEMA_VERSION, Record, versions


@dataclass(frozen=True)
class PreparedScan:
    """A scan in the store.

    Args:
        scan: its entry in the store.
        labels: the label scheme it was read by.
        notes: sentences about it.
        held: those of its channels in which something is labelled.
    """

    scan: Scan
    labels: str
    notes: tuple[str, ...]
    held: frozenset[str]


@dataclass(frozen=True)
class PrepareReport:
    """What went into one source of a store, and what was left out with the reason.

    Args:
        source: the data set's folder as it was given.
        set_name: the source's name in the store.
        layout: name and title of the layout it was read as.
        scans: what is in the store, in its order.
        left_out: what is not.
        warnings: sentences about the whole.
        urgent: those of the warnings that the summary repeats.
    """

    source: str
    set_name: str
    layout: tuple[str, str]
    scans: tuple[PreparedScan, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    urgent: tuple[str, ...] = ()

    @property
    def slices(self) -> int:
        return sum(prepared.scan.shape[0] for prepared in self.scans)

    @property
    def roles(self) -> Counter[str]:
        """Role -> scans."""
        return Counter(prepared.scan.role for prepared in self.scans)

    @property
    def schemes(self) -> Counter[str]:
        """Label scheme -> scans."""
        return Counter(prepared.labels for prepared in self.scans)

    def record(self) -> Record:
        """The JSON object."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "set": self.set_name,
            "layout": {"name": self.layout[0], "title": self.layout[1]},
            "labels": dict(sorted(self.schemes.items())),
            "roles": dict(sorted(self.roles.items())),
            "patients": len({prepared.scan.patient for prepared in self.scans}),
            "slices": self.slices,
            "scans": [
                {
                    "name": prepared.scan.name,
                    "patient": prepared.scan.patient,
                    "role": prepared.scan.role,
                    "channels": list(prepared.scan.channels),
                    "slices": prepared.scan.shape[0],
                    "labels": prepared.labels,
                    "notes": list(prepared.notes),
                }
                for prepared in self.scans
            ],
            "left_out": [{"name": left.name, "reason": left.reason} for left in self.left_out],
            "warnings": list(self.warnings),
            "versions": versions(),
        }

    def summary(self) -> str:
        """What was stored, in a few lines."""
        roles = ", ".join(f"{count} {role}" for role, count in sorted(self.roles.items()))
        patients = len({prepared.scan.patient for prepared in self.scans})
        schemes = _schemes_told_by_labels(self.scans) or sorted(self.schemes)
        lines = [
            f"Read as {self.layout[1]}, labels as {' and '.join(schemes)}.",
            f"{count_of(len(self.scans), 'scan')} of {count_of(patients, 'patient')}, "
            f"{count_of(self.slices, 'slice')}: {roles}.",
        ]
        if self.left_out:
            lines.append(f"{len(self.left_out)} left out; the reasons are in report.json.")
        lines += [f"Warning: {sentence}" for sentence in self.urgent]
        return "\n".join(lines)


def warnings_about(scans: Sequence[PreparedScan], by_hash: bool) -> list[str]:
    """Sentences about what a user should look at before training."""
    sentences = []
    merged = [p.scan.name for p in scans if "right" not in p.scan.channels]
    if merged:
        sentences.append(
            f"Lungs that touch are kept without sides in {_some(merged)}: the labels name none, "
            "and the geometry doesn't tell."
        )
    empty = [prepared.scan.name for prepared in scans if not prepared.held]
    if empty:
        sentences.append(f"{_some(empty)} {'holds' if len(empty) == 1 else 'hold'} no label.")
    schemes = _schemes_told_by_labels(scans)
    if len(schemes) > 1:
        sentences.append(
            f"Label files follow several schemes ({', '.join(schemes)}); name one by --labels if "
            "that is wrong."
        )
    noted = [prepared.scan.name for prepared in scans if prepared.notes]
    if noted:
        sentences.append(f"There are remarks about {_some(noted)} in report.json.")
    lacking = [role for role in ("train", "validation") if role not in {p.scan.role for p in scans}]
    if by_hash and lacking:
        sentences.append(f"No scan fell to {' or '.join(lacking)}; give roles by --split.")
    return sentences


def only_right_lungs(scans: Sequence[PreparedScan]) -> list[str]:
    """A sentence when no scan read by pleura's numbers has a left lung: 1 may mean both lungs."""
    ours = [prepared for prepared in scans if prepared.held and prepared.labels == "pleura"]
    held: frozenset[str] = frozenset().union(*(prepared.held for prepared in ours))
    if "right" not in held or "left" in held:
        return []
    every = len(ours) > 1 and len(ours) == sum(bool(prepared.held) for prepared in scans)
    where = f"all {len(ours)} scans" if every else _some([p.scan.name for p in ours])
    if "airways" in held:
        return [
            f"No label 2 in {where}: 1 was read as right lungs and 3 as airways; if 1 is both "
            "lungs, remove 3 and prepare again with --labels merged."
        ]
    return [
        f"Only label 1 in {where}: read as right lungs; if it is both lungs, prepare again with "
        "--labels merged."
    ]


def role_conflicts(scans: Sequence[PreparedScan], others: Sequence[Scan]) -> list[str]:
    """A sentence for each other source of the store that gives one of these patients another role.

    Patients are known by name alone, so that two of one name may be two people.
    """
    roles = {prepared.scan.patient: prepared.scan.role for prepared in scans}
    found: dict[str, dict[str, Scan]] = {}
    for scan in others:
        if roles.get(scan.patient, scan.role) != scan.role:
            found.setdefault(scan.source, {}).setdefault(scan.patient, scan)
    return [
        f"{count_of(len(patients), 'patient')} of this set "
        f"{'has' if len(patients) == 1 else 'have'} another role in the set '{source}', such as "
        f"{first.patient} ({roles[first.patient]} here, {first.role} there); unless the names only "
        "coincide, give both sets one --split file."
        for source, patients in found.items()
        for first in [next(iter(patients.values()))]
    ]


def _schemes_told_by_labels(scans: Sequence[PreparedScan]) -> list[str]:
    """The schemes of scans that hold labels; an empty file follows any."""
    return sorted({prepared.labels for prepared in scans if prepared.held})


def _some(names: Sequence[str]) -> str:
    """ "a", or "12 scans (a, b, ...)"."""
    if len(names) == 1:
        return names[0]
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} scans ({', '.join(names[:3])}{more})"
