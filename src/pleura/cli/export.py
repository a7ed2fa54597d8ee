"""`pleura export`: a run -> a model folder."""

from __future__ import annotations

from pathlib import Path

from pleura.errors import EXIT_OK


def export(
    run: Path, model: Path, /, *, version: str = "0.1.0", name: str | None = None,
    checkpoint: str = "best", json: bool = False,
) -> int:  # fmt: skip
    """Turn a training run into a model folder that `pleura segment --model` takes.

    Parameters
    ----------
    run
        Folder of `pleura train`.
    model
        Model folder to write.
    version
        The model's version, like 1.2.3.
    name
        The model's name. Default: the config's.
    checkpoint
        best, or last, which needs no finished run.
    json
        Print one JSON object: the model's name and version, its network's checksum, size and path.
    """
    from pleura.cli.run import print_json
    from pleura.lab.export import ExportOptions, export_run
    from pleura.record import SCHEMA_VERSION

    spec = export_run(run, model, ExportOptions(version, name, checkpoint))
    if json:
        network = model / spec.files["main"]
        print_json({
            "schema_version": SCHEMA_VERSION, "model": str(model), "name": spec.name,
            "version": spec.version, "sha256": spec.sha256["main"],
            "bytes": network.stat().st_size, "path": str(network),
        })  # fmt: skip
        return EXIT_OK
    size = sum(path.stat().st_size for path in model.iterdir()) / 1e6
    print(f"{spec.name} {spec.version} in {model}, {size:.1f} MB")
    return EXIT_OK
