"""Masks that a benchmark's tools wrote, against reference masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pleura.errors import InputError, UsageError
from pleura.lab.evaluate import EvaluateOptions, Row, evaluate, failed_row, named_masks
from pleura.labels import resolve_scheme


@dataclass(frozen=True)
class References:
    """Reference masks by scan name, and the scheme of their labels (None: found out)."""

    masks: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    labels: str | None = None

    @classmethod
    def of(cls, folder: Path, scans: Iterable[str], labels: str | None = None) -> References:
        """Those of a folder.

        Args:
            folder: masks.
            scans: names of the scans that will be compared.
            labels: scheme of the masks, None finds it out.

        Raises:
            UsageError: no folder, an unknown scheme, or no reference of any scan.
        """
        if labels is not None:
            resolve_scheme((), labels, "--ref-labels")
        references = cls(named_masks(folder), labels)
        if all(references.mask_of(scan) is None for scan in scans):
            raise UsageError(
                f"No mask in '{folder}' has the name of a scan; name the files alike "
                "(suffixes, _lungs and _seg don't count)."
            )
        return references

    def mask_of(self, scan: str) -> Path | None:
        """The reference of a scan; nnU-Net numbers an image's channels, not its labels."""
        return self.masks.get(scan) or self.masks.get(scan.removesuffix("_0000"))

    def score(self, scan: str, mask: Path, scheme: str) -> Row | None:
        """The row of `pleura.lab.evaluate` for a mask, with `error` when it can't be compared.

        Args:
            scan: its name.
            mask: what the tool wrote.
            scheme: of its labels, see `pleura.labels`.

        Returns:
            None without a reference.
        """
        reference = self.mask_of(scan)
        if reference is None:
            return None
        options = EvaluateOptions(pred_labels=scheme, ref_labels=self.labels)
        try:
            return evaluate(mask, reference, options)
        except InputError as error:
            return failed_row(scan, (mask, reference), error.code, str(error))
