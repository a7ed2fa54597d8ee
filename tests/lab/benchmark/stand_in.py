"""A stand-in for lungmask 0.2.22 and torch: packages of a few lines, put on a child's path.

It has the functions that the benchmark calls or times, a threshold instead of a network, and
remembers in `asked.jsonl` what it was asked for. The variable STAND_IN=crash makes it raise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FILES = {
    "torch/__init__.py": """
import json
from pathlib import Path

def asked(**what):
    with (Path(__file__).parents[1] / "asked.jsonl").open("a") as file:
        file.write(json.dumps(what) + chr(10))

def set_num_threads(n):
    asked(threads=n)

class cuda:
    is_available = staticmethod(lambda: False)

def manual_seed(seed):
    asked(seed=seed)

def save(state, file):
    Path(file).write_text(json.dumps(state))
""",
    "lungmask/__init__.py": "from lungmask.mask import LMInferer",
    "lungmask/resunet.py": """
class UNet:
    def __init__(self, **options):
        self.options = options

    def state_dict(self):
        return self.options
""",
    "lungmask/utils.py": """
import time
import SimpleITK as sitk

def load_input_image(path, disable_tqdm=False, read_metadata=False):
    print("lungmask says: reading")
    return sitk.ReadImage(path)

def preprocess(array, resolution):
    return array

def postprocessing(labels, disable_tqdm=False):
    time.sleep(0.2)
    return labels

def reshape_mask(labels, box, size):
    return labels
""",
    "lungmask/mask.py": """
import os
import time
import SimpleITK as sitk
import torch
from lungmask import utils

class LMInferer:
    def __init__(self, modelname="R231", modelpath=None, force_cpu=False, batch_size=20,
                 tqdm_disable=False):
        torch.asked(model=modelname, weights=modelpath, cpu=force_cpu, batch=batch_size)

    def apply(self, image):
        if os.environ.get("STAND_IN") == "crash":
            raise RuntimeError("the network is on strike")
        array = utils.preprocess(sitk.GetArrayFromImage(image), resolution=[256, 256])
        time.sleep(0.1)
        labels = utils.postprocessing(((array > -950) & (array < -500)).astype("uint8"))
        labels[..., labels.shape[2] // 2 :] *= 2
        return utils.reshape_mask(labels, None, None)
""",
    "lungmask/__main__.py": """
import argparse
import SimpleITK as sitk
from lungmask import LMInferer, utils

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--modelname", default="R231")
    parser.add_argument("--modelpath")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--batchsize", type=int, default=20)
    parser.add_argument("--noprogress", action="store_true")
    args = parser.parse_args()
    image = utils.load_input_image(args.input, disable_tqdm=args.noprogress)
    inferer = LMInferer(modelname=args.modelname, modelpath=args.modelpath, force_cpu=args.cpu,
                        batch_size=args.batchsize, tqdm_disable=args.noprogress)
    mask = sitk.GetImageFromArray(inferer.apply(image))
    mask.CopyInformation(image)
    sitk.WriteImage(mask, args.output)
""",
    "lungmask-0.2.22.dist-info/METADATA": "Name: lungmask\nVersion: 0.2.22\n",
}


def lungmask_stand_in(folder: Path) -> Path:
    """Write the packages; `folder` is then what `--install-lungmask` finds installed."""
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def asked_of(folder: Path) -> list[dict[str, Any]]:
    """What a stand-in was asked for, in order; forgets it."""
    file = folder / "asked.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def interpreter_with(folder: Path, program: str) -> Path:
    """A program that is an interpreter whose module path begins with `folder`."""
    path = folder / "python-with-lungmask"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{program}" "$@"\n')
    path.chmod(0o755)
    return path
