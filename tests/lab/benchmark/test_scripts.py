"""The programs that run in the children, in children."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pleura.lab.benchmark.lungmask_environment import LungmaskEnvironment
from pleura.lab.benchmark.plan import Scan
from pleura.lab.benchmark.processes import SCRIPTS, Call, RunError, last_json, run
from pleura.lab.benchmark.tools import Floor, Job, Pleura
from tests.dicom_phantom import write_series
from tests.lab.benchmark.stand_in import asked_of
from tests.scans import small

PHANTOM = small()


def job(scan: Path, folder: Path, files: tuple[Path, ...] = ()) -> Job:
    np.save(folder / "mask.npy", PHANTOM.labels)
    found = Scan(scan, files or (scan,), scan)
    return Job(found, folder / "out.nii.gz", folder / "mask.npy", folder)


@pytest.mark.parametrize("kind", ["file", "series"])
def test_the_floor_reads_the_scan_and_writes_the_mask(
    scan: Path, tmp_path: Path, kind: str
) -> None:
    files: tuple[Path, ...] = ()
    if kind == "series":
        write_series(tmp_path / "ct", PHANTOM.hu, PHANTOM.geometry)
        files = tuple(sorted((tmp_path / "ct").iterdir()))
    floor, its_job = Floor(1), job(scan, tmp_path, files)
    done = run(floor.cold(its_job), 60)
    stages = floor.stages(done)
    assert list(stages) == ["import", "read", "write"]
    assert all(seconds > 0 for seconds in stages.values()) and sum(stages.values()) < done.wall_s
    written = sitk.ReadImage(str(its_job.output))
    assert (sitk.GetArrayFromImage(written) == PHANTOM.labels).all()
    read = sitk.ReadImage(str(scan))
    assert np.allclose(written.GetOrigin(), read.GetOrigin())
    assert np.allclose(written.GetSpacing(), read.GetSpacing())


def test_the_floor_is_no_shortcut(scan: Path, tmp_path: Path) -> None:
    """A mask of another scan would take another time: it is refused."""
    its_job = job(scan, tmp_path)
    np.save(tmp_path / "mask.npy", PHANTOM.labels[1:])
    with pytest.raises(RunError):
        run(Floor(1).cold(its_job), 60)


def test_pleura_cold_and_warm_say_their_stages(scan: Path, tmp_path: Path) -> None:
    pleura, its_job = Pleura(1), job(scan, tmp_path)
    done = run(pleura.cold(its_job), 60)
    stages = pleura.stages(done)
    assert {"read", "infer", "write"} <= set(stages) and "total" not in stages
    cold_mask = sitk.GetArrayFromImage(sitk.ReadImage(str(its_job.output)))
    assert cold_mask.any()
    its_job.output.unlink()
    calls = last_json(run(pleura.warm(its_job, 2), 60).stdout)["calls"]
    assert len(calls) == 2
    for call in calls:
        assert call["stages_s"].keys() == stages.keys() and call["stages_s"]["write"] > 0
        assert sum(call["stages_s"].values()) <= call["seconds"] + 0.01
    assert (sitk.GetArrayFromImage(sitk.ReadImage(str(its_job.output))) == cold_mask).all()


def lungmask(stand_in: Path, *arguments: str) -> Call:
    return LungmaskEnvironment(sys.executable, stand_in, {}).call(arguments, {})


def test_lungmask_cold_is_its_own_command_line(scan: Path, tmp_path: Path, stand_in: Path) -> None:
    out = tmp_path / "out.nii.gz"
    options = json.dumps({"weights": "w.pth", "batch": 4, "threads": 2, "cpu": True})
    done = run(lungmask(stand_in, "cold", str(scan), str(out), options), 60)
    assert asked_of(stand_in) == [
        {"threads": 2}, {"model": "R231", "weights": "w.pth", "cpu": True, "batch": 4},
    ]  # fmt: skip
    stages = last_json(done.stdout)["stages_s"]
    assert list(stages) == [
        "import", "read", "load", "preprocess", "network", "postprocess", "resize", "write",
        "other",
    ]  # fmt: skip
    # A stage within another one is taken out of it.
    assert 0.1 <= stages["network"] < 0.2 <= stages["postprocess"]
    assert sum(stages.values()) <= done.wall_s
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(out))).any()


def test_lungmask_warm_loads_once(scan: Path, tmp_path: Path, stand_in: Path) -> None:
    out = tmp_path / "out.nii.gz"
    options = json.dumps({"weights": "w.pth", "batch": 1, "threads": 1, "cpu": True, "calls": 3})
    done = run(lungmask(stand_in, "warm", str(scan), str(out), options), 60)
    assert sum("weights" in asked for asked in asked_of(stand_in)) == 1
    calls = last_json(done.stdout)["calls"]
    assert len(calls) == 3
    for call in calls:
        assert 0.2 <= call["stages_s"]["postprocess"] < call["seconds"] < done.wall_s
        assert not {"import", "load"} & set(call["stages_s"])
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(out))).any()


def test_random_weights_are_always_the_same(tmp_path: Path, stand_in: Path) -> None:
    run(lungmask(stand_in, "weights", str(tmp_path / "w.pth")), 60)
    assert asked_of(stand_in) == [{"seed": 0}]
    assert json.loads((tmp_path / "w.pth").read_text()) == {
        "n_classes": 3, "padding": True, "depth": 5, "up_mode": "upsample", "batch_norm": True,
        "residual": False,
    }  # fmt: skip


def test_probe(stand_in: Path) -> None:
    found = last_json(run(lungmask(stand_in, "probe"), 60).stdout)
    assert found["lungmask"] == "0.2.22" and found["python"].startswith("3.")


def test_modules_come_first_on_the_path(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/others")
    environment = lungmask(stand_in, "probe").environment
    assert environment == {"PYTHONPATH": f"{stand_in}:/others"}


def test_lungmask_takes_no_cpu_for_a_gpu(scan: Path, tmp_path: Path, stand_in: Path) -> None:
    options = json.dumps({"weights": "w.pth", "batch": 1, "threads": 1, "cpu": False})
    with pytest.raises(RunError, match="its torch sees no GPU"):
        run(lungmask(stand_in, "cold", str(scan), str(tmp_path / "out.nii.gz"), options), 60)


def test_children_need_no_pleura() -> None:
    """lungmask's interpreter has none, and the floor must not wait for one."""
    for name in ("floor.py", "lungmask_runner.py", "measured.py"):
        assert "pleura" not in [
            word for line in (SCRIPTS / name).read_text().splitlines()
            if line.strip().startswith(("import ", "from ")) for word in line.split(".")[0].split()
        ]  # fmt: skip
