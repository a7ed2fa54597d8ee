"""`pleura export`: a run -> a model folder."""

from __future__ import annotations

from pathlib import Path

from pleura.errors import EXIT_OK


def export(
    run: Path, model: Path, /, *, version: str = "0.1.0", name: str | None = None,
    checkpoint: str = "best",
) -> int:  # fmt: skip
    """Turn a training run into a model folder that `pleura segment --model` takes.

    Parameters
    ----------
    run
        Folder of `pleura train`.
    model
        Model folder to write.
    version
        The model's version.
    name
        The model's name. Default: the config's.
    checkpoint
        best or last.
    """
    from pleura.lab.export import ExportOptions, export_run

    spec = export_run(run, model, ExportOptions(version, name, checkpoint))
    size = sum(path.stat().st_size for path in model.iterdir()) / 1e6
    print(f"{spec.name} {spec.version} in {model}, {size:.1f} MB")
    return EXIT_OK
