"""Broken and unusual DICOM: each file gives a right result, or what names its real defect.

`REAL` is the table of docs/quality.md, checked file by file against ../shared; `OURS` makes an
equivalent of each kind and runs everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from pleura.errors import PleuraError
from pleura.read import read
from pleura.volume import Geometry
from tests.dicom_compress import LOSSLESS, recompress
from tests.dicom_phantom import write_multiframe, write_series


@dataclass(frozen=True)
class Row:
    """What a path must give: findings, an error, or (with neither) nothing to warn of.

    `same_as`: bit for bit the file of this name, or within so many HU on average (`loss`).
    """

    findings: frozenset[str] = frozenset()
    error: str = ""
    words: str = ""
    same_as: str = ""
    loss: float = 0.0


def gives(*codes: str, words: str = "") -> Row:
    return Row(findings=frozenset(codes), words=words)


def refused(error: str, words: str) -> Row:
    return Row(error=error, words=words)


def equal(name: str) -> Row:
    return Row(same_as=name)


def lossy(name: str, loss: float, *codes: str) -> Row:
    return Row(frozenset(("lossy", *codes)), same_as=name, loss=loss)


_PLAIN = "all_transfer_syntaxes/CTImage.dcm"
_PAIRS = "nema_codec_pairs/compsamples_"
_CT1, _CT2 = (f"{_PAIRS}refanddir__IMAGES__REF__{name}_UNC" for name in ("CT1", "CT2"))
_NO_THICKNESS = gives("slice_spacing_assumed", words="has no thickness")
_BLOOD_FLOW = refused("intensity", "blood flow")

# The first pattern that fits a path, folders included, is its row.
REAL: dict[str, Row] = {
    "all_transfer_syntaxes": gives("duplicate_slices", words="16 slices share one position"),
    "all_transfer_syntaxes/CT0012*": _BLOOD_FLOW,
    "all_transfer_syntaxes/US-*": refused("not_ct", "modality US"),
    "all_transfer_syntaxes/no-pixel-data.dcm": refused("not_ct", "modality SR"),
    "all_transfer_syntaxes/no-pixel-spacing.dcm": refused("not_ct", "modality US"),
    "*/CTImage.dcm_JPEGProcess1Transfer*": lossy(_PLAIN, 15, "eight_bit"),
    "*/CTImage.dcm_JPEGProcess2_4*": lossy(_PLAIN, 6),
    "*/CTImage.dcm_JPEGProcess6_8*": lossy(_PLAIN, 6),
    "*/CTImage.dcm_JPEGProcess10_12*": lossy(_PLAIN, 6),
    "*/CTImage.dcm_JPEG2000Transfer*": lossy(_PLAIN, 1),
    "*/CTImage.dcm_JPEGLSLossy*": lossy(_PLAIN, 1),
    "*/CTImage.dcm*": equal(_PLAIN),  # 9 lossless and uncompressed syntaxes
    "enhanced_multiframe": gives(),
    "enhanced_multiframe/CT_small.dcm": gives(),
    "enhanced_multiframe/eCT_Supplemental.dcm": _BLOOD_FLOW,
    "gantry_tilt": gives("gantry_tilt", words="14.0 degrees"),
    "gantry_tilt/*": _NO_THICKNESS,
    "missing_slice": gives(
        "missing_slices", "gantry_tilt", words="1 slice missing between -133.7 and -132.2 mm"
    ),
    "missing_slice/*": _NO_THICKNESS,
    "mixed_orientations*": refused("not_ct", "modality MR"),
    "nema_codec_pairs": gives("several_studies", "duplicate_slices", words="2 patients"),
    "*J2KI__CT1_J2KI": lossy(_CT1, 25),
    "*J2KI__CT2_J2KI": lossy(_CT2, 25),
    "*JLSN__CT1_JLSN": lossy(_CT1, 5),
    "*JLSN__CT2_JLSN": lossy(_CT2, 5),
    "nema_codec_pairs/*CT1_*": equal(_CT1),
    "nema_codec_pairs/*CT2_*": equal(_CT2),
    "same_position_four_times": gives(
        "duplicate_slices", "slice_spacing_assumed", words="4 slices share one position (61.5 mm)"
    ),
    "same_position_four_times/*": _NO_THICKNESS,
    "two_slices_only*": refused("not_ct", "modality MR"),
    "uneven_increment": gives("uneven_spacing", words="10.00 mm between 28.1 and 38.1 mm"),
    "uneven_increment/*": _NO_THICKNESS,
}


def assert_gives(path: Path, row: Row, root: Path) -> None:
    try:
        volume = read(path)
    except PleuraError as error:
        assert (error.code, error.exit) == (row.error, 2), error
        assert row.words in str(error)
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    assert not row.error
    codes = {finding.code for finding in volume.findings}
    assert row.findings <= codes
    assert not row.words or any(row.words in finding.message for finding in volume.findings)
    if row.same_as:
        reference = read(root / row.same_as)
        difference = np.abs(volume.array.astype(int) - reference.array)
        assert difference.mean() <= row.loss
        warnings = {f.code for f in volume.findings if f.severity != "note"}
        assert warnings <= row.findings | {f.code for f in reference.findings}


def test_every_real_file_gives_what_the_table_says(shared_data: Path) -> None:
    odd = shared_data / "odd"
    seen = set()
    for path in sorted(odd.rglob("*")):
        name = path.relative_to(odd).as_posix()
        pattern = next((pattern for pattern in REAL if fnmatch(name, pattern)), None)
        assert pattern is not None, f"{name} is not in the table"
        seen.add(pattern)
        try:
            assert_gives(path, REAL[pattern], odd)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
    assert seen == set(REAL)


CORONAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
MONITORING = {"ImagePositionPatient": [0, 0, 61.5], "SliceThickness": None}


def hu(slices: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Noise about water in a frame of air, which is enough to be HU."""
    rng = np.random.default_rng(0)
    array = np.full((slices, 48, 48), -1000, dtype=np.int16)
    array[:, 8:40, 8:40] = rng.integers(-60, 90, (slices, 32, 32))
    return array


def grid(slices: int, step: float = 5.0, direction: object = None) -> Geometry:
    return Geometry.from_parts(
        (slices, 48, 48), (step, 8, 8), direction_lps=np.eye(3) if direction is None else direction
    )


def compressed(folder: Path, syntax: str) -> None:
    write_series(folder, hu(1), grid(1))
    for file in folder.iterdir():
        recompress(file, syntax)


def blood_flow(folder: Path) -> None:
    write_multiframe(
        folder / "x.dcm", hu(2), grid(2), image_type=["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]
    )


def tilted(folder: Path) -> None:
    affine = np.diag([8.0, 8.0, 5.0, 1.0])
    affine[1, 2] = -1.25
    write_series(folder, hu(4), Geometry((4, 48, 48), affine))


def missing(folder: Path) -> None:
    write_series(folder, hu(5), grid(5), names="numbered")
    (folder / "0004.dcm").unlink()


def mixed(folder: Path) -> None:
    same = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.9"}
    write_series(folder, hu(4), grid(4), overrides=same)
    write_series(folder, hu(3), grid(3, direction=CORONAL), overrides=same, suffix=".coronal")


def two_patients(folder: Path) -> None:
    write_series(folder, hu(4), grid(4))
    write_series(folder, hu(3), grid(3), overrides={"PatientID": "OTHER"}, suffix=".other")


def series(slices: int, **options: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_series(folder, hu(slices), grid(slices), **options)  # type: ignore[arg-type]

    return make


OURS: dict[str, tuple[Callable[[Path], None], Row]] = {
    "a map of blood flow": (blood_flow, _BLOOD_FLOW),
    "gantry tilt": (tilted, gives("gantry_tilt", words="14.0 degrees")),
    "a missing slice": (missing, gives("missing_slices", words="between 10.0 and 20.0 mm")),
    "an uneven increment": (
        series(4, per_slice=lambda k: {"ImagePositionPatient": [0, 0, (0, 5, 10, 20)[k]]}),
        gives("uneven_spacing", words="10.00 mm between 10.0 and 20.0 mm"),
    ),
    "one position four times": (
        series(4, overrides=MONITORING),
        gives("duplicate_slices", "slice_spacing_assumed", words="one position (61.5 mm)"),
    ),
    "a slice without thickness": (series(1, overrides={"SliceThickness": None}), _NO_THICKNESS),
    "mixed orientations": (mixed, gives("mixed_series", words="differ in orientation")),
    "two patients": (two_patients, gives("several_studies", words="2 patients")),
    "two slices of MR": (series(2, modality="MR"), refused("not_ct", "modality MR")),
    "ultrasound": (series(1, modality="US"), refused("not_ct", "modality US")),
    "no pixels": (
        series(2, overrides={"PixelData": None}), refused("unreadable", "no pixel data"),
    ),
    "no pixel spacing": (
        series(2, overrides={"PixelSpacing": None}), refused("geometry", "no PixelSpacing"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OURS)
def test_our_own_equivalents(tmp_path: Path, kind: str) -> None:
    make, row = OURS[kind]
    make(tmp_path)
    assert_gives(tmp_path, row, tmp_path)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_our_own_codec_pairs(tmp_path: Path, syntax: str) -> None:
    for name in ("plain", "compressed"):
        (tmp_path / name).mkdir()
    write_series(tmp_path / "plain", hu(1), grid(1))
    compressed(tmp_path / "compressed", syntax)
    assert_gives(tmp_path / "compressed", equal("plain"), tmp_path)
