"""`pleura export`: a training run -> a self-describing model folder (ONNX, model.json, card)."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pleura.errors import ModelError, UsageError
from pleura.infer.model_folder import sha256_of
from pleura.lab import checkpoint
from pleura.lab.config import TrainConfig, from_table
from pleura.lab.network import ResUNet
from pleura.model_spec import ModelSpec

ONNX_NAME = "model.onnx"
_OPSET = 17
_PARITY = 1e-4  # largest difference in probability between torch and the exported file
_KERNEL_DIMENSIONS = 4  # norms and biases stay float32: they weigh nothing


@dataclass(frozen=True)
class ExportOptions:
    """Name (None: the config's) and version of the model, and which checkpoint of the run."""

    version: str = "0.1.0"
    name: str | None = None
    checkpoint: str = "best"


class Probabilities(nn.Module):
    """The network with its sigmoid: what is exported gives probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.network(image))


def export_run(run: Path, folder: Path, options: ExportOptions | None = None) -> ModelSpec:
    """Write the model folder of a run; it replaces `folder` only when it is whole and checked.

    Raises:
        UsageError: no finished run there, or `folder` exists and is no model folder.
        ModelError: the exported network differs from torch by more than 1e-4.
    """
    options = options or ExportOptions()
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (folder / "model.json").exists():
        raise UsageError(f"{folder} exists and is no model folder; name another one.")
    config, network, state = load_run(run, options.checkpoint)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pleura-export-", dir=folder.parent) as temporary:
        partial = Path(temporary) / "model"
        partial.mkdir()
        if _has_own_card(folder):
            shutil.copy(folder / "README.md", partial)
        network = rounded_to_half(network)
        write_onnx(network, partial / ONNX_NAME)
        check_parity(network, partial / ONNX_NAME)
        spec = ModelSpec(
            name=options.name or config.name,
            version=options.version,
            files={"main": ONNX_NAME},
            sha256={"main": sha256_of(partial / ONNX_NAME)},
            architecture={"name": "resunet", "encoder": config.network.encoder},
            channels=config.network.channels,
            preprocessing=config.preprocessing,
            training=training_record(run, config, state),
        )
        (partial / "model.json").write_text(spec.to_json(), encoding="utf-8")
        if not (partial / "README.md").exists():
            (partial / "README.md").write_text(_card(spec), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    return spec


def load_run(run: Path, which: str) -> tuple[TrainConfig, ResUNet, dict[str, Any]]:
    """Config, network in eval mode and state of a run's checkpoint ("best" or "last")."""
    path = run / f"{which}.safetensors"
    if not path.exists():
        raise UsageError(f"{run} has no {which} checkpoint; train first, see `pleura train`.")
    try:
        data = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{run} has no readable config.json ({error}); train again.") from error
    config = from_table(TrainConfig, data)
    network = ResUNet(config.network.encoder, 1, len(config.network.channels))
    state = checkpoint.load(path, network)
    return config, network.eval(), state


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
    """Export with free batch and image size; convolutions as float16, each cast to float32.

    Half the bytes, the same arithmetic: onnxruntime folds casts and batch norms when it loads the
    file. Folding norms here would lose bits, since folded weights are no float16 numbers.
    """
    import onnx

    example = torch.zeros(1, 1, 64, 64)
    axes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        Probabilities(network).eval(), (example,), str(path), opset_version=_OPSET,
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
def check_parity(network: nn.Module, path: Path) -> float:
    """Largest difference in probability between torch and the file on noise with a dark region.

    Raises:
        ModelError: it is above 1e-4.
    """
    from pleura.infer.onnxruntime_engine import OnnxRuntimeEngine

    generator = torch.Generator().manual_seed(0)
    images = torch.rand((2, 1, 192, 256), generator=generator)
    images[1, :, 48:144, 64:192] *= 0.2  # a dark region in a brighter frame, as a lung is
    expected = Probabilities(network).eval()(images).numpy()
    difference = float(np.abs(OnnxRuntimeEngine(path, 0)(images.numpy()) - expected).max())
    if difference > _PARITY:
        raise ModelError(f"The exported network differs from torch by {difference:.1e}.")
    return difference


def training_record(run: Path, config: TrainConfig, state: Mapping[str, Any]) -> dict[str, Any]:
    """What model.json says about how the weights came to be."""
    try:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        metrics = {record["step"]: record for record in map(json.loads, lines)}
        validation = metrics[state["step"]]["dice"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{run}/metrics.jsonl lacks the checkpoint's step {state['step']}; train again."
        ) from error
    return {
        "loss": config.loss,
        "seed": config.seed,
        "steps": state["step"],
        "slices_seen": state["step"] * config.sampling.batch_size,
        "validation": validation,
        # Where the store lay on this machine is nobody's business.
        "config": {**config.to_dict(), "store": Path(config.store).name},
    }


def _has_own_card(folder: Path) -> bool:
    """True for a card written by hand, which outlives its weights; ours is written anew."""
    card = folder / "README.md"
    if not card.exists():
        return False
    try:
        spec = ModelSpec.from_file(folder / "model.json")
        return card.read_bytes() != _card(spec).encode()
    except (ModelError, KeyError, TypeError):  # whose card it is can't be told, so it stays
        return True


def _card(spec: ModelSpec) -> str:
    scores = spec.training["validation"]
    return (
        f"# {spec.name} {spec.version}\n\nMade by `pleura export`. Channels: "
        f"{', '.join(spec.channels)}. Validation Dice on the network's grid: "
        f"{format(scores['mean'], '.4f') if len(scores) > 1 else 'not measured'}.\n\n"
        "For research, not a medical device.\n"
    )
