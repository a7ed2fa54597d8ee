"""`pleura segment` on scans that it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

import pleura as api
from pleura.infer.model_folder import BUNDLED
from pleura.record import schema
from pleura.volume import Volume
from pleura.write import SUFFIXES
from tests.dicom_phantom import write_series
from tests.engines import RubbishEngine, threshold_segmenter
from tests.phantom import Phantom
from tests.scans import Pleura, assert_refused, names, save, small, without_network


def mask_of(path: Path) -> np.ndarray:
    """Labels (z, y, x) of a written mask."""
    if path.name.endswith((".nii", ".nii.gz")):
        return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    without_network(monkeypatch)


def test_default_output_and_summary(
    pleura: Pleura, scan: Path, here: Path, phantom: Phantom, stand_in: None
) -> None:
    run = pleura("segment", scan)
    assert run.code == 0 and run.err == ""
    assert names(here) == ["chest_lungs.nii.gz"]
    labels = mask_of(here / "chest_lungs.nii.gz")
    assert labels.shape == phantom.hu.shape and set(np.unique(labels)) == {0, 1, 2}
    for line in ("Right ", "Left ", "Total ", "Verdict  ", "Mask     chest_lungs.nii.gz", "Time "):
        assert f"\n{line}" in f"\n{run.out}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.b.nii.gz", "a.b_lungs.nii.gz"),
        ("Scan 1.NII", "Scan 1_lungs.nii.gz"),
        ("ä.nrrd", "ä_lungs.nii.gz"),
        ("x.mha", "x_lungs.nii.gz"),
    ],
)
def test_default_names(
    pleura: Pleura, tmp_path: Path, here: Path, stand_in: None, name: str, expected: str
) -> None:
    path = save(tmp_path / name, small().hu)
    assert pleura("segment", path).code == 0
    assert names(here) == [expected]


def test_a_folder_names_its_mask(
    pleura: Pleura, tmp_path: Path, here: Path, stand_in: None
) -> None:
    write_series(tmp_path / "study.v1", small().hu, small().geometry)
    assert pleura("segment", f"{tmp_path}/study.v1/").code == 0
    assert names(here) == ["study.v1_lungs.nii.gz"]


@pytest.mark.parametrize(
    "name", ["m.nii.gz", "m.nii", "m.nrrd", "m.mha", "m.mhd", "M.NII.GZ", "m.MHA", "m.MHD"]
)
def test_output_by_suffix(
    pleura: Pleura, scan: Path, here: Path, phantom: Phantom, stand_in: None, name: str
) -> None:
    assert pleura("segment", scan, "-o", here / name).code == 0
    assert names(here) == ([name, "m.zraw"] if name.lower().endswith(".mhd") else [name])
    # ITK only knows lower-case suffixes.
    labels = mask_of((here / name).rename(here / name.lower()))
    assert labels.shape == phantom.hu.shape and set(np.unique(labels)) == {0, 1, 2}
    lung = (phantom.labels == 1) | (phantom.labels == 2)
    assert ((labels > 0) & lung).sum() > 0.8 * lung.sum()


def test_an_old_mask_is_replaced(pleura: Pleura, scan: Path, here: Path, stand_in: None) -> None:
    (here / "m.mhd").write_text("old")
    (here / "m.zraw").write_text("old")
    assert pleura("segment", scan, "-o", "m.mhd").code == 0
    assert mask_of(here / "m.mhd").any()


def test_picture(pleura: Pleura, scan: Path, here: Path, stand_in: None) -> None:
    run = pleura("segment", scan, "-o", "m.nii.gz", "--picture", "p.PNG")
    assert run.code == 0 and "Picture  p.PNG" in run.out
    assert names(here) == ["m.nii.gz", "p.PNG"]
    with Image.open(here / "p.PNG") as picture:
        assert picture.format == "PNG" and min(picture.size) > 100


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_probabilities(
    pleura: Pleura, scan: Path, here: Path, phantom: Phantom, stand_in: None, suffix: str
) -> None:
    name = f"p{suffix}"
    run = pleura("segment", scan, "-o", "m.nii.gz", "--probabilities", name, "--json")
    assert run.code == 0
    jsonschema.validate(run.json, schema("segment"))
    assert run.json["probabilities"] == name
    assert names(here) == sorted(["m.nii.gz", name] + ["p.zraw"] * (suffix == ".mhd"))
    options = api.SegmentOptions(probabilities=True)
    expected = threshold_segmenter().segment(Volume(phantom.hu, phantom.geometry), options)
    np.testing.assert_array_equal(mask_of(here / name), expected.probabilities.array)
    grid = sitk.ReadImage(str(here / name)), sitk.ReadImage(str(here / "m.nii.gz"))
    for part in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(*(getattr(image, part)() for image in grid), atol=1e-5)


def test_probabilities_picture_and_mask_in_words(
    pleura: Pleura, scan: Path, here: Path, stand_in: None
) -> None:
    run = pleura("segment", scan, "--probabilities", "p.nii", "--picture", "p.png")
    assert run.code == 0 and "\nProbabilities p.nii\n" in run.out
    assert names(here) == ["chest_lungs.nii.gz", "p.nii", "p.png"]


@pytest.mark.parametrize(
    ("probabilities", "output", "words"),
    [
        ("p.png", "m.nii", "no suffix"),
        ("none/p.nii", "m.nii", "does not exist"),
        ("m.nii", "m.nii", "would both be written to"),
        ("chest_lungs.nii.gz", None, "would both be written to"),
        ("m.MHD", "m.mhd", "would both be written to m"),
    ],
)
def test_probabilities_that_have_no_place(
    pleura: Pleura, scan: Path, here: Path, probabilities: str, output: str | None, words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pleura.segmenter.Segmenter", None)  # refused before any work is done
    asked = [] if output is None else ["-o", output]
    run = pleura("segment", scan, *asked, "--probabilities", probabilities)
    assert_refused(run, 2, "usage", False)
    assert words in run.err and names(here) == []


def test_probabilities_never_replace_the_scan(
    pleura: Pleura, scan: Path, here: Path, stand_in: None
) -> None:
    before = scan.read_bytes()
    run = pleura("segment", scan, "--probabilities", scan)
    assert_refused(run, 2, "usage", False)
    assert "is the input" in run.err and scan.read_bytes() == before and names(here) == []


def test_json_is_alone_on_standard_output(
    pleura: Pleura, scan: Path, here: Path, phantom: Phantom, stand_in: None
) -> None:
    run = pleura("segment", scan, "-o", "m.nii.gz", "--threads", "1", "--json")
    assert run.code == 0 and run.err == ""
    record = run.json
    jsonschema.validate(record, schema("segment"))
    assert next(iter(record)) == "schema_version"
    assert record["input"] == str(scan) and record["output"] == "m.nii.gz"
    assert record["probabilities"] is None
    assert record["labels"] == {"1": "right lung", "2": "left lung"}
    assert record["grid"]["shape_zyx"] == list(phantom.hu.shape)
    assert np.allclose(record["grid"]["spacing_zyx_mm"], (48, 6, 6))
    counts = np.bincount(mask_of(here / "m.nii.gz").ravel(), minlength=3)
    assert record["volumes_ml"] == pytest.approx(
        {"right": counts[1] * 1.728, "left": counts[2] * 1.728, "total": counts[1:].sum() * 1.728}
    )
    stages = record["timings_s"]
    assert stages["total"] >= max(v for k, v in stages.items() if k != "total")


def test_merge(pleura: Pleura, scan: Path, here: Path, stand_in: None) -> None:
    record = pleura("segment", scan, "--merge", "--json").json
    jsonschema.validate(record, schema("segment"))
    assert set(record["volumes_ml"]) == {"total"} and record["labels"] == {"1": "lungs"}
    assert set(np.unique(mask_of(here / "chest_lungs.nii.gz"))) == {0, 1}


def test_airways_strict_and_threads_with_the_bundled_network(
    pleura: Pleura, scan: Path, here: Path, phantom: Phantom
) -> None:
    run = pleura("segment", scan, "--airways", "--threads", "2", "--json", "--strict")
    assert run.code == 0
    record = run.json
    jsonschema.validate(record, schema("segment"))
    assert record["labels"]["3"] == "trachea and main bronchi" and record["threads"] == 2
    assert record["quality"]["verdict"] == "warn"  # thick slices; a warning is no failure
    labels = mask_of(here / "chest_lungs.nii.gz")
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    for side in (1, 2):
        found, true = labels == side, phantom.labels == side
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_the_wanted_engine_and_precision_are_recorded(
    pleura: Pleura, tmp_path: Path, here: Path, engine: str
) -> None:
    path = save(tmp_path / "s.nii.gz", small().hu)
    run = pleura("segment", path, "--engine", engine, "--precision", "fp32", "--json")
    assert run.code == 0
    jsonschema.validate(run.json, schema("segment"))
    assert (run.json["engine"], run.json["precision"]) == (engine, "fp32")


def test_no_lung(pleura: Pleura, tmp_path: Path, here: Path, examples: Path) -> None:
    volume = api.read(examples / "chest.nii.gz")
    grid = api.Geometry.from_parts((13, *volume.array.shape[1:]), volume.geometry.spacing_zyx_mm)
    path = save(tmp_path / "abdomen.nii.gz", volume.array[:13], grid)
    run = pleura("segment", path, "--json")
    assert run.code == 0
    jsonschema.validate(run.json, schema("segment"))
    assert run.json["quality"]["verdict"] == "fail"
    assert [finding["code"] for finding in run.json["quality"]["findings"]] == ["no_lung"]
    assert run.json["volumes_ml"] == {"right": 0.0, "left": 0.0, "total": 0.0}
    assert not mask_of(here / "abdomen_lungs.nii.gz").any()
    strict = pleura("segment", path, "-o", "strict.nii.gz", "--strict")
    assert strict.code == 3 and "fail no_lung: No lung was found" in strict.out
    assert (here / "strict.nii.gz").exists()


def test_rubbish_fails_and_says_why(
    pleura: Pleura, examples: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask is written all the same; only with --strict does the exit code tell."""
    monkeypatch.setattr("pleura.segmenter.load_engine", lambda folder, options: RubbishEngine())
    run = pleura("segment", examples / "chest.nii.gz", "-o", "m.nii.gz", "--json")
    assert run.code == 0 and mask_of(here / "m.nii.gz").any()
    jsonschema.validate(run.json, schema("segment"))
    quality = run.json["quality"]
    assert quality["verdict"] == "fail" and quality["measures"]["dense"] > 0.5
    failed = {f["code"] for f in quality["findings"] if f["severity"] == "fail"}
    assert failed >= {"mask_dense", "edge_in_tissue", "lung_missed"}
    strict = pleura("segment", examples / "chest.nii.gz", "-o", "strict.nii.gz", "--strict")
    assert strict.code == 3 and (here / "strict.nii.gz").exists()
    assert "Verdict  fail" in strict.out and "of the mask is as dense as soft tissue" in strict.out


@pytest.fixture
def two_series(tmp_path: Path) -> tuple[Path, str]:
    """A folder with series 2 (6 slices) and series 5 (5 slices), and the UID of the latter."""
    hu = small().hu
    write_series(tmp_path / "ct" / "a", np.concatenate([hu, hu[:2]]), series_number=2)
    uid = write_series(tmp_path / "ct" / "b", np.concatenate([hu, hu[:1]]), series_number=5)
    return tmp_path / "ct", uid


def test_series_by_number_and_uid(
    pleura: Pleura, two_series: tuple[Path, str], here: Path, stand_in: None
) -> None:
    folder, uid = two_series
    best = pleura("segment", folder, "--json").json
    assert best["grid"]["shape_zyx"] == [6, 64, 64]
    assert "series_chosen" in [f["code"] for f in best["quality"]["findings"]]
    for wanted in ("5", uid):
        record = pleura("segment", folder, "--series", wanted, "--json").json
        assert record["grid"]["shape_zyx"] == [5, 64, 64]


def test_model_by_path(pleura: Pleura, scan: Path, here: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(BUNDLED / "lungs")
    small_scan = save(tmp_path / "s.nii.gz", small().hu)
    sha256 = api.Segmenter("lungs").folder.spec.sha256
    for precision, role in (("fp32", "main"), ("auto", "int8")):
        arguments = ("--model", tmp_path / "mine", "--precision", precision, "--json")
        record = pleura("segment", small_scan, *arguments).json
        is_int8 = record["precision"] == "int8"  # which some CPUs don't compute
        assert record["model"]["sha256"] == sha256[role if is_int8 else "main"]


def test_a_sheared_scan_needs_nifti(
    pleura: Pleura, tmp_path: Path, here: Path, stand_in: None
) -> None:
    affine = np.array(small().geometry.affine)
    affine[1, 2] = 5.0
    path = save(tmp_path / "tilt.nii.gz", small().hu, api.Geometry(small().hu.shape, affine))
    run = pleura("segment", path, "-o", "m.mha")
    assert run.code == 2 and "sheared" in run.err and names(here) == []
    run.assert_one_sentence()
    assert pleura("segment", path, "-o", "m.nii").code == 0


PROGRAM = """
import sys
from pleura.cli import main
code = main(sys.argv[1:])
print("MODULES", *sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_the_whole_run_loads_one_engine_and_no_torch(scan: Path, here: Path, engine: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "segment", str(scan), "--engine", engine,
         "--picture", "p.png"],
        capture_output=True, text=True, check=True, cwd=here,
    )  # fmt: skip
    modules = set(done.stderr.partition("MODULES")[2].split())
    engines = {"onnxruntime", "openvino"} & modules
    assert len(engines) == 1 and engine in (*engines, "auto")
    # scipy is left out: nibabel imports it wherever it happens to be installed
    assert not {"torch", "matplotlib", "monai", "kornia", "onnx"} & modules
    assert done.stderr.startswith("MODULES"), "the run itself says nothing on standard error"
    assert names(here) == ["chest_lungs.nii.gz", "p.png"]
