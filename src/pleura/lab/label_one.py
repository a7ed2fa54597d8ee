"""Label 1 alone: pleura's right lung, or both lungs in a merged mask? Nothing guesses."""

from __future__ import annotations

from collections.abc import Sequence

from pleura.errors import UsageError
from pleura.lab.evaluate import EvaluateOptions
from pleura.lab.tables import Row


def check_label_one(
    rows: Sequence[Row], options: EvaluateOptions, options_names: tuple[str, str]
) -> None:
    """Refuse when one set holds label 1 alone in every scan, while the other has both sides.

    Args:
        rows: of `evaluate` or `evaluate_folders`.
        options: how they were read; a scheme that was named is obeyed.
        options_names: what names the scheme of predictions and of references.

    Raises:
        UsageError: it can't be told what label 1 means.
    """
    sided = [row["structures"] for row in rows if "left" in row["structures"]]
    if not sided or options.merge:
        return
    sets = (
        ("predictions", "prediction_ml", "reference_ml", options.pred_labels, options_names[0]),
        ("references", "reference_ml", "prediction_ml", options.ref_labels, options_names[1]),
    )
    for what, mine, others, named, option in sets:
        alone = all(s["left"][mine] == 0 for s in sided) and any(s["right"][mine] for s in sided)
        if alone and named is None and any(s["left"][others] for s in sided):
            raise UsageError(
                f"The {what} hold label 1 alone, right lung or both, where the others have both "
                f"sides; say which by {option} merged or {option} pleura."
            )
