"""What a result gives, what it refuses, and how it saves itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pleura import PleuraError, Result, Segmenter, SegmentOptions, UsageError, Volume
from pleura.preprocess import prepare
from pleura.result import with_output
from tests.engines import ThresholdEngine, threshold_segmenter
from tests.phantom import Phantom
from tests.scans import names, small

BUBBLE = (0, slice(31, 33), slice(31, 33))  # of bowel, which the stand-in takes for lung
NODULE = (2, slice(30, 33), slice(18, 21))  # within the right lung


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    phantom = small()
    phantom.hu[BUBBLE], phantom.hu[NODULE] = -800, 40
    return phantom


@pytest.fixture(scope="module")
def stand_in() -> Segmenter:
    return threshold_segmenter()


@pytest.fixture(scope="module")
def asked(phantom: Phantom, stand_in: Segmenter) -> Result:
    volume = Volume(phantom.hu, phantom.geometry)
    return stand_in.segment(volume, SegmentOptions(probabilities=True))


@pytest.fixture(scope="module")
def not_asked(phantom: Phantom, stand_in: Segmenter) -> Result:
    return stand_in.segment(Volume(phantom.hu, phantom.geometry))


def test_probabilities_are_what_the_network_said(
    phantom: Phantom, stand_in: Segmenter, asked: Result
) -> None:
    rules = stand_in.folder.spec.preprocessing
    prepared = prepare(Volume(phantom.hu, phantom.geometry), rules)
    answers = ThresholdEngine()(prepared.batch(range(4)))
    lungs = np.rint(answers[:, :2] * np.float32(255)).sum(axis=1, dtype=float)
    expected = prepared.grid.rows_back @ lungs @ prepared.grid.columns_back.T
    found = asked.probabilities
    assert found.array.dtype == np.uint8 and found.geometry is phantom.geometry
    assert np.abs(found.array - np.minimum(expected, 255)).max() <= 0.51


def test_probabilities_are_taken_before_the_clean_up(asked: Result) -> None:
    probabilities, mask = asked.probabilities.array, asked.mask.array
    assert (probabilities[BUBBLE] == 255).all() and not mask[BUBBLE].any()
    assert probabilities[2, 31, 19] == 0 and mask[2, 31, 19] == 1


def test_without_clean_up_and_edges_the_mask_is_their_threshold(
    phantom: Phantom, stand_in: Segmenter
) -> None:
    plain = threshold_segmenter()
    spec = replace(stand_in.folder.spec, postprocessing="none")
    plain.folder = replace(stand_in.folder, spec=spec)
    result = plain.segment(Volume(phantom.hu, phantom.geometry), SegmentOptions(probabilities=True))
    level = 255 * spec.threshold
    clear = np.abs(result.probabilities.array - level) > 0.51  # elsewhere rounding decides
    likely = result.probabilities.array >= level
    assert clear.mean() > 0.99 and likely.any()
    np.testing.assert_array_equal((result.mask.array > 0)[clear], likely[clear])


def test_asking_for_probabilities_changes_no_mask(asked: Result, not_asked: Result) -> None:
    np.testing.assert_array_equal(asked.mask.array, not_asked.mask.array)


def test_probabilities_that_nobody_asked_for(not_asked: Result, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="probabilities=True"):
        not_asked.probabilities  # noqa: B018
    with pytest.raises(UsageError, match="probabilities=True"):
        not_asked.save_probabilities(tmp_path / "p.nii")
    assert names(tmp_path) == []


def test_a_failed_scan_raises_its_own_error(stand_in: Segmenter, tmp_path: Path) -> None:
    (result,) = stand_in.map([tmp_path / "missing.nii"], SegmentOptions(probabilities=True))
    for name in ("mask", "probabilities", "volume", "quality", "record", "volumes_ml"):
        with pytest.raises(PleuraError, match="does not exist"):
            getattr(result, name)


def test_mask_and_probabilities_save_themselves(asked: Result, tmp_path: Path) -> None:
    asked.save(tmp_path / "m.nii.gz")
    asked.save_probabilities(str(tmp_path / "p.nii.gz"))
    for name, image in (("m.nii.gz", asked.mask), ("p.nii.gz", asked.probabilities)):
        again = nibabel.load(tmp_path / name)
        assert again.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(np.asarray(again.dataobj).transpose(2, 1, 0), image.array)


def test_neither_overwrites_the_scan(asked: Result, tmp_path: Path) -> None:
    scan = tmp_path / "scan.nii"
    scan.write_bytes(b"a scan")
    result = replace(asked, _volume=replace(asked.volume, source=scan))
    for save in (result.save, result.save_probabilities):
        with pytest.raises(UsageError, match="is the input"):
            save(scan)
    assert scan.read_bytes() == b"a scan"


def test_the_record_names_what_was_written(asked: Result) -> None:
    assert asked.record["output"] is None and asked.record["probabilities"] is None
    before = asked.record["timings_s"]["total"]
    mask = with_output(asked, Path("m.nii"), 1.5).record
    assert (mask["output"], mask["probabilities"]) == ("m.nii", None)
    assert mask["timings_s"]["write"] == 1.5
    assert mask["timings_s"]["total"] == pytest.approx(before + 1.5)
    both = with_output(asked, Path("m.nii"), 1.5, Path("p.nii")).record
    assert (both["output"], both["probabilities"]) == ("m.nii", "p.nii")
    assert list(both) == list(asked.record), "fields keep their order"
