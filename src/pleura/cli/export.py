"""`pleura export`: a run -> a model folder."""

from __future__ import annotations

from pathlib import Path

from pleura.errors import EXIT_OK


def export(
    run: Path, model: Path, /, *, version: str = "0.1.0", name: str | None = None,
    checkpoint: str = "best", int8: bool = False, calibration: Path | None = None,
    airways_threshold: float = 0.5, json: bool = False,
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
    int8
        Also write the network in 8-bit integers, which CPUs with VNNI compute about twice as fast.
    calibration
        Store whose training slices --int8 is calibrated on. Default: the one of the run's config.
    airways_threshold
        Probability from which a voxel is airway; airways are rare, so a network that is right about
        their place may be unsure of them (see benchmarks/airways.py).
    json
        Print one JSON object: the model's name and version, its network's checksum, size and path.
    """
    from pleura.cli.run import print_json
    from pleura.lab.export import ExportOptions, export_run
    from pleura.record import SCHEMA_VERSION

    options = ExportOptions(
        version, name, checkpoint, int8, calibration, airways_threshold
    )  # fmt: skip
    spec = export_run(run, model, options)
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
