"""Networks as an ONNX file: the mean of their probabilities, kernels kept as float16."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pleura.errors import ModelError
from pleura.lab.network import ResUNet

_OPSET = 17
# Largest difference in probability between torch and the exported file: a quarter of the step in
# which inference keeps probabilities. Networks whose input is HU have large logits to round.
_PARITY = 1e-3
_KERNEL_DIMENSIONS = 4  # norms and biases stay float32: they weigh nothing


class Probabilities(nn.Module):
    """One network or several with their sigmoids: the mean of their probabilities is exported."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: Tensor) -> Tensor:
        first, *others = (torch.sigmoid(network(image)) for network in self.networks)
        return sum(others, start=first) / len(self.networks) if others else first


def rounded_to_half(network: ResUNet) -> ResUNet:
    """A copy whose convolution weights are float16 numbers (stored as float32).

    These are the weights that ship, so torch and the exported file compute the same network.
    """
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.half().float()
    return network


def write_onnx(network: nn.Module, path: Path) -> None:
    """Export `Probabilities` with free batch and image size, kernels as float16 cast to float32.

    Half the bytes, the same arithmetic: onnxruntime folds casts and batch norms when it loads the
    file. Folding norms here would lose bits, since folded weights are no float16 numbers.
    """
    import onnx

    example = torch.zeros(1, 1, 64, 64)
    axes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        network, (example,), str(path), opset_version=_OPSET,
        input_names=["image"], output_names=["probabilities"],
        dynamic_axes={"image": axes, "probabilities": axes}, dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
    )  # fmt: skip
    model = onnx.load(path)
    halve_weights(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def halve_weights(model: Any) -> None:
    """Turn float32 convolution kernels into float16 ones followed by a Cast, in place."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != _KERNEL_DIMENSIONS:
            continue
        name = tensor.name
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@torch.no_grad()
def check_parity(
    network: nn.Module, path: Path, input_range: tuple[float, float] = (0.0, 1.0)
) -> float:
    """Largest difference in probability between torch and the file on noise with a dark region.

    Args:
        network, path: `Probabilities`, and the file that was made of it.
        input_range: the noise's.

    Raises:
        ModelError: it is above 1e-3.
    """
    from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine

    generator = torch.Generator().manual_seed(0)
    images = torch.rand((2, 1, 192, 256), generator=generator)
    images[1, :, 48:144, 64:192] *= 0.2  # a dark region in a brighter frame, as a lung is
    low, high = input_range
    images = low + (high - low) * images
    expected = network(images).numpy()
    difference = float(np.abs(OnnxRuntimeEngine(path, 0)(images.numpy()) - expected).max())
    if difference > _PARITY:
        raise ModelError(
            f"The exported network differs from torch by {difference:.1e}; export with the "
            "versions of torch, onnx and onnxruntime that constraints.txt names."
        )
    return difference
