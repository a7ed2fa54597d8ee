"""Label 1 alone beside masks with both sides is refused unless a scheme was named."""

from __future__ import annotations

import pytest

from pleura.errors import UsageError
from pleura.lab.evaluate import EvaluateOptions, evaluate
from pleura.lab.label_one import check_label_one
from pleura.volume import Mask
from tests.phantom import chest

NAMES = ("--pred-labels", "--ref-labels")
PHANTOM = chest((10, 48, 48), (28.0, 8.0, 8.0))
BOTH = Mask(PHANTOM.labels * (PHANTOM.labels < 3), PHANTOM.geometry)
ONE = Mask((BOTH.array > 0).astype("uint8"), PHANTOM.geometry)
RIGHT = Mask((BOTH.array == 1).astype("uint8"), PHANTOM.geometry)


@pytest.mark.parametrize(
    ("prediction", "reference", "what", "option"),
    [(ONE, BOTH, "predictions", "--pred-labels"), (BOTH, ONE, "references", "--ref-labels")],
)
def test_label_one_alone_is_refused(prediction, reference, what, option):
    rows = [evaluate(prediction, reference)] * 2
    with pytest.raises(UsageError, match=f"{what} hold label 1 alone.*{option} merged"):
        check_label_one(rows, EvaluateOptions(), NAMES)


@pytest.mark.parametrize("scheme", ["merged", "pleura"])
def test_a_named_scheme_is_obeyed(scheme):
    options = EvaluateOptions(pred_labels=scheme)
    check_label_one([evaluate(ONE, BOTH, options)], options, NAMES)


def test_one_missing_lung_among_others_is_a_result():
    rows = [evaluate(RIGHT, BOTH), evaluate(BOTH, BOTH)]
    check_label_one(rows, EvaluateOptions(), NAMES)


def test_both_sets_with_one_label_can_be_compared():
    check_label_one([evaluate(ONE, ONE)], EvaluateOptions(), NAMES)
    check_label_one([evaluate(ONE, BOTH)], EvaluateOptions(merge=True), NAMES)
