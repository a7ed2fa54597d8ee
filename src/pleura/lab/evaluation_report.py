"""What one `pleura evaluate` found, as JSON, Markdown, CSV and plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pleura.errors import UsageError
from pleura.lab.compare import compare, comparison_markdown, paired, volume_agreement
from pleura.lab.tables import Row, resampled_note, summary, to_markdown, write_csv
from pleura.write.atomic import write_bytes

TABLE_SUFFIXES = (".csv", ".md", ".json")


@dataclass(frozen=True)
class EvaluationReport:
    """One set of predictions, and what stands beside it.

    Args:
        rows: of the predictions.
        title: what the predictions are called.
        patients: scan name -> patient; None takes each scan for a patient.
        others, other_title: a second set of predictions of the same references.
        baseline: rows of the threshold baseline.
    """

    rows: Sequence[Row]
    title: str
    patients: Mapping[str, str] | None = None
    others: Sequence[Row] | None = None
    other_title: str = ""
    baseline: Sequence[Row] | None = None

    @cached_property
    def comparison(self) -> Mapping[str, Any] | None:
        """See `pleura.lab.compare.compare`; None without a second set."""
        return None if self.others is None else compare(self.rows, self.others, self.patients)

    def record(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        record: dict[str, Any] = {
            "schema_version": 1,
            "scans": self.rows,
            "summary": summary(self.rows, self.patients),
        }
        if self.others is not None:
            record["against"] = {
                "title": self.other_title,
                "scans": self.others,
                "summary": summary(self.others, self.patients),
                "comparison": self.comparison,
            }
        if self.baseline is not None:
            record["baseline"] = {
                "scans": self.baseline,
                "summary": summary(self.baseline, self.patients),
            }
        return record

    def markdown(self) -> str:
        text = to_markdown(self.rows, self.patients)
        if self.others is not None and self.comparison is not None:
            text += "\n" + comparison_markdown(self.comparison, (self.title, self.other_title))
            text += "".join(f"{line}\n" for line in resampled_note(self.others))
        if self.baseline is not None:
            text += "\n## Threshold baseline\n\n" + to_markdown(self.baseline, self.patients)
        return text

    def write(self, path: Path, picture: Path | None = None) -> None:
        """Write the table by its suffix; Markdown shows the picture that lies beside it.

        Raises:
            OutputError: the file can't be written; nothing partial is left.
        """
        suffix = path.suffix.lower()
        if suffix == ".csv":
            sets = {"against": self.others, "threshold baseline": self.baseline}
            write_csv(self.rows, path, {name: rows for name, rows in sets.items() if rows})
        elif suffix == ".md":
            text = self.markdown()
            if picture is not None:
                text += f"\n![Bland-Altman plot of lung volumes](<{picture.name}>)\n"
            write_bytes(path, text.encode())
        else:
            write_bytes(path, json.dumps(self.record(), indent=1, allow_nan=False).encode())

    def plot(self, path: Path) -> None:
        """Bland-Altman plot of lung volumes: a panel for each set, of the scans that all have.

        Raises:
            UsageError: no such scan, or matplotlib isn't installed.
            OutputError: the file can't be written; nothing partial is left.
        """
        from pleura.lab.plots import bland_altman

        if not self.can_plot:
            raise UsageError(f"No scan could be evaluated, so {path.name} would be empty.")
        bland_altman(
            [
                (title, volume_agreement(rows, patients=self.patients))
                for title, rows in self._plotted().items()
            ],
            path,
        )

    @property
    def can_plot(self) -> bool:
        return all(self._plotted().values())

    def _plotted(self) -> dict[str, list[Row]]:
        if self.others is None:
            return {self.title: [row for row in self.rows if row["error"] is None]}
        pairs = paired(self.rows, self.others)
        return {
            self.title: [row for row, _ in pairs],
            self.other_title: [other for _, other in pairs],
        }
