"""An int8 file beside a model's float one: static quantization on calibration slices.

Kernels become 8-bit integers with a scale for each output channel; layers' inputs become 8-bit
integers with one scale each, which is found by running the network on slices of training patients.
The first convolution sees HU and the last ones draw the edge, so they stay float.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018; carried out by onnxruntime.quantization.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pleura.errors import ModelError, UsageError
from pleura.infer.model_folder import open_model, sha256_of
from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine
from pleura.infer.quiet_imports import import_onnxruntime
from pleura.lab.store import Scan, Store
from pleura.lab.whole_scan import grid_of
from pleura.model_spec import ModelSpec, Preprocessing
from pleura.preprocess import normalise
from pleura.resample import FloatArray
from pleura.write.atomic import staging

INT8_NAME = "model.int8.onnx"
# Share of pixels whose label must be the float file's on the calibration slices: below it
# something is wrong with the network or the slices. Dice is judged on validation scans, not here.
_LEAST_AGREEMENT = 0.995


@dataclass(frozen=True)
class QuantizeOptions:
    """How many calibration slices, and the seed that draws them."""

    slices: int = 96
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what can't be drawn (UsageError)."""
        if self.slices < 1:
            raise UsageError(f"Calibration needs at least 1 slice, not {self.slices}.")


def quantize(folder: Path, store: Path, options: QuantizeOptions | None = None) -> ModelSpec:
    """Add the int8 file to a model folder, or replace it; both files or neither change.

    Args:
        folder: of a model.
        store: calibration slices come from its training patients.
        options: see `QuantizeOptions`.

    Returns:
        The folder's new description.

    Raises:
        ModelError: no model folder, or a network that int8 spoils.
        UsageError: no store, none of its scans trains, or it lacks what the network sees.
        OutputError: the folder can't be written to.
    """
    options = options or QuantizeOptions()
    model = open_model(folder)
    main, spec = model.file("main"), model.spec
    slices = list(calibration_slices(Store(store), spec.preprocessing, options))
    with staging(folder / "model.json") as partial:
        int8 = partial / INT8_NAME
        write_int8(main, int8, slices)
        agreement = check_agreement(main, int8, slices)
        calibration = {"store": store.name, **asdict(options), "same_labels": agreement}
        spec = replace(
            spec,
            files={**spec.files, "int8": INT8_NAME},
            sha256={**spec.sha256, "int8": sha256_of(int8)},
            training={**spec.training, "calibration": calibration},
        )
        (partial / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return spec


def calibration_slices(
    store: Store, rules: Preprocessing, options: QuantizeOptions
) -> Iterator[FloatArray]:
    """Network input (1, 1, h, w) of training patients: sources in turn, scans in turn, any slice.

    Raises:
        UsageError: no scan trains, or the store lacks what the network sees.
    """
    sources: dict[str, list[Scan]] = {}
    for scan in store.of_role("train"):
        sources.setdefault(scan.source, []).append(scan)
    if not sources:
        raise UsageError(f"{store.path} has no training scan to calibrate on; name another store.")
    random = np.random.default_rng(options.seed)
    turns = list(sources.values())
    for number in range(options.slices):
        scans = turns[number % len(turns)]
        scan = scans[number // len(turns) % len(scans)]
        z = int(random.integers(scan.shape[0]))
        yield normalise(grid_of(scan, rules), store.images(scan, z, z + 1), rules)[:, None]


def write_int8(main: Path, int8: Path, slices: list[FloatArray]) -> None:
    """Quantize a float ONNX file; activations' ranges are the least and largest on the slices."""
    import_onnxruntime()
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    floats, folded = int8.with_name("floats.onnx"), int8.with_name("folded.onnx")
    try:
        onnx.save(with_float_kernels(onnx.load(main)), floats)
        quant_pre_process(floats, folded, skip_symbolic_shape=True)  # norms into kernels
        graph = onnx.load(folded).graph
        quantize_static(
            folded, int8, _Reader(graph.input[0].name, slices),
            quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted(float_nodes(graph)),
        )  # fmt: skip
    finally:
        floats.unlink(missing_ok=True)
        folded.unlink(missing_ok=True)


def with_float_kernels(model: Any) -> Any:
    """The same network with its float16 kernels and their Casts turned into float32 kernels."""
    from onnx import numpy_helper

    graph = model.graph
    halves = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Cast"]:
        half = halves.get(node.input[0])
        if half is None:
            continue
        kernel = numpy_helper.to_array(half).astype(np.float32)
        graph.initializer.remove(half)
        graph.initializer.append(numpy_helper.from_array(kernel, node.output[0]))
        graph.node.remove(node)
    return model


def float_nodes(graph: Any) -> set[str]:
    """Names of nodes that stay float: the stem, and all from the last convolution on."""
    image = graph.input[0].name
    stay = {node.name for node in graph.node if node.op_type == "Conv" and image in node.input}
    producers = {output: node for node in graph.node for output in node.output}
    wanted = [output.name for output in graph.output]
    while wanted:
        node = producers.get(wanted.pop())
        if node is None or node.name in stay:
            continue
        stay.add(node.name)
        if node.op_type != "Conv":
            wanted += node.input
    return stay


def check_agreement(main: Path, int8: Path, slices: list[FloatArray]) -> float:
    """Share of pixels that both files put on the same side of one half, over all slices.

    Raises:
        ModelError: it is below 99.5 %.
    """
    engines = [OnnxRuntimeEngine(path, precision=p) for path, p in ((main, "fp32"), (int8, "int8"))]
    shares = []
    for image in slices:
        ours, theirs = (engine(image) >= np.float32(0.5) for engine in engines)
        shares.append(float((ours == theirs).all(axis=1).mean()))
    agreement = float(np.mean(shares))
    if agreement < _LEAST_AGREEMENT:
        raise ModelError(
            f"In int8 the network labels only {agreement:.1%} of the calibration pixels as before, "
            "so no int8 file was written; calibrate on more slices, or do without."
        )
    return round(agreement, 6)


class _Reader:
    """Calibration slices as onnxruntime reads them: one a call, None at the end."""

    def __init__(self, name: str, slices: list[FloatArray]) -> None:
        self._name, self._slices = name, iter(slices)

    def get_next(self) -> dict[str, FloatArray] | None:
        image = next(self._slices, None)
        return None if image is None else {self._name: np.ascontiguousarray(image)}
