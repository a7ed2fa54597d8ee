"""A number -> the files of one case. The first ones are a sample of all formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from tests.fuzz import seeds
from tests.fuzz.dicom import mutate_dicom
from tests.fuzz.dicom_tree import DicomFile, parsed
from tests.fuzz.mutate import damaged
from tests.fuzz.nifti import mutate_gzip, mutate_nifti
from tests.fuzz.text import mutate_text
from tests.fuzz.tiff import mutate_tiff
from tests.fuzz.zips import mutate_zip, zipped


@dataclass(frozen=True)
class Case:
    """What `pleura.read` gets: `path` below a folder that holds `files`."""

    kind: str
    path: str
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> Path:
        for name, data in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder / self.path


# Kind -> cases in a hundred.
SHARES = {
    "dicom": 34, "frames": 9, "series": 7, "nifti": 17, "nifti.gz": 8, "nrrd": 7, "metaimage": 8,
    "tiff": 4, "zip": 6,
}  # fmt: skip
KINDS = tuple(SHARES)
# Shuffled, so that any number of workers that take every n-th case share the work evenly.
_ORDER = Random("order").sample([k for k, share in SHARES.items() for _ in range(share)], 100)


def case(number: int) -> Case:
    """The files of a case; the same number gives the same bytes with the same libraries."""
    kind = _ORDER[number % len(_ORDER)]
    return _MAKERS[kind](Random(f"{kind} {number}"), kind)


def valid() -> list[Case]:
    """The seeds themselves, which must be readable, or all that is made of them tests little."""
    found = [Case("nifti", "a.nii", {"a.nii": data}) for data in seeds.niftis().values()]
    found += [Case("tiff", "a.tif", {"a.tif": data}) for data in seeds.tiffs().values()]
    found += [
        _with_voxels("text", path, header, rest) for path, header, rest in seeds.texts().values()
    ]
    for kind, files in seeds.dicoms().items():
        found.append(Case(kind, "series", {f"series/{name}": d for name, d in files.items()}))
        again = {f"series/{name}": tree.to_bytes() for name, tree in _trees(kind).items()}
        found.append(Case(f"{kind}, written again", "series", again))
    found.append(Case("zip", "a.zip", {"a.zip": zipped(seeds.dicoms()["series"])}))
    return found


def _with_voxels(kind: str, path: str, header: bytes, rest: Mapping[str, bytes]) -> Case:
    """`rest` has the voxels under "" when they follow the header in its own file."""
    beside = {name: data for name, data in rest.items() if name}
    return Case(kind, path, {**beside, path: header + rest.get("", b"")})


@cache
def _trees(kind: str) -> Mapping[str, DicomFile]:
    return {name: parsed(data) for name, data in seeds.dicoms()[kind].items()}


def _dicom(rng: Random, kind: str) -> Case:
    frames = kind == "frames"
    stored = rng.choice([k for k in seeds.dicoms() if k.startswith("frames") == frames])
    (tree, *_) = _trees(stored).values()
    return Case(kind, "scan.dcm", {"scan.dcm": mutate_dicom(rng, tree)})


def _series(rng: Random, kind: str) -> Case:
    """A folder with one slice damaged, all in the same way, or strange files beside them."""
    trees, state = _trees("series"), rng.getstate()
    guilty, alike = rng.choice(list(trees)), rng.random() < 0.4
    changes = rng.randrange(1 << 30)
    files = {}
    for name, tree in trees.items():
        hit = alike or name == guilty
        files[f"series/{name}"] = mutate_dicom(Random(changes), tree) if hit else tree.to_bytes()
    rng.setstate(state)
    if rng.random() < 0.2:
        files["series/sub/copy"] = rng.choice((b"", b"\0" * 200, files[f"series/{guilty}"]))
    return Case(kind, "series", files)


def _nifti(rng: Random, kind: str) -> Case:
    plain = rng.choice(list(seeds.niftis().values()))
    if kind == "nifti.gz":
        return Case(kind, "scan.nii.gz", {"scan.nii.gz": mutate_gzip(rng, plain)})
    return Case(kind, "scan.nii", {"scan.nii": mutate_nifti(rng, plain)})


def _text(rng: Random, kind: str) -> Case:
    start = "n" if kind == "nrrd" else "m"
    name = rng.choice([name for name in seeds.texts() if name.startswith(start)])
    path, header, rest = seeds.texts()[name]
    changed = dict(rest)
    if rng.random() < 0.15:
        changed = {n: damaged(rng, data) for n, data in rest.items()}
    else:
        header = mutate_text(rng, header, kind)
    return _with_voxels(kind, path, header, changed)


def _tiff(rng: Random, kind: str) -> Case:
    seed = rng.choice(list(seeds.tiffs().values()))
    return Case(kind, "a.tif", {"a.tif": mutate_tiff(rng, seed)})


def _zip(rng: Random, kind: str) -> Case:
    return Case(kind, "a.zip", {"a.zip": mutate_zip(rng, seeds.dicoms()["series"])})


_MAKERS: Mapping[str, Callable[[Random, str], Case]] = {
    "dicom": _dicom, "frames": _dicom, "series": _series, "nifti": _nifti, "nifti.gz": _nifti,
    "nrrd": _text, "metaimage": _text, "tiff": _tiff, "zip": _zip,
}  # fmt: skip
