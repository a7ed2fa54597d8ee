"""lungmask by its own code, its stages timed from outside.

    python lungmask_runner.py probe
    python lungmask_runner.py weights FILE
    python lungmask_runner.py cold SCAN OUTPUT OPTIONS
    python lungmask_runner.py warm SCAN OUTPUT OPTIONS

`probe` prints versions. `weights` writes random ones for the network R231. `cold` is lungmask's own
command line. `warm` makes one `LMInferer` and reads, segments and writes several times. OPTIONS is
a JSON object: weights, batch, threads, cpu (true, or false for a GPU), and calls for `warm`. Each
but `weights` prints a JSON object as its last line.

Runs by path in an interpreter that needn't have pleura, of any version that lungmask takes.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

SEED = 0
_STAGES = (
    "import", "read", "load", "preprocess", "network", "postprocess", "resize", "write", "other",
)  # fmt: skip
_PACKAGES = ("lungmask", "torch", "numpy", "SimpleITK", "scikit-image", "scipy")


class Clock:
    """Seconds of each stage; one stage in another isn't counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open = ["other"]
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._book()
        self._open.append(stage)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*positional: Any, **named: Any) -> Any:
            with self(stage):
                return function(*positional, **named)

        return wrapped

    def restart(self) -> None:
        self.seconds = {}
        self._since = time.perf_counter()

    def in_order(self) -> dict[str, float]:
        return {stage: self.seconds[stage] for stage in _STAGES if stage in self.seconds}

    def _book(self) -> None:
        now = time.perf_counter()
        stage = self._open[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


def imported(clock: Clock, threads: int, cpu: bool) -> Any:
    """lungmask's command module, with its functions timed, on so many threads and this device."""
    with clock("import"):
        import torch
        from lungmask import LMInferer, utils
        from lungmask import __main__ as command

        torch.set_num_threads(threads)
        if not cpu and not torch.cuda.is_available():
            sys.exit("its torch sees no GPU")  # it would take the CPU, and say so in passing
    for name, stage in (
        ("load_input_image", "read"),
        ("preprocess", "preprocess"),
        ("postprocessing", "postprocess"),
        ("reshape_mask", "resize"),
    ):
        setattr(utils, name, clock.timed(stage, getattr(utils, name)))
    LMInferer.apply = clock.timed("network", LMInferer.apply)

    def on_device(**options: Any) -> Any:
        # Its own --cpu would also set the batch size to 1.
        return LMInferer(**{**options, "force_cpu": cpu})

    command.LMInferer = clock.timed("load", on_device)
    return command


def cold(scan: str, output: str, options: dict[str, Any]) -> dict[str, Any]:
    clock = Clock()
    command = imported(clock, options["threads"], options["cpu"])
    sys.argv = [
        "lungmask", scan, output, "--modelpath", options["weights"],
        "--batchsize", str(options["batch"]), "--noprogress",
    ]  # fmt: skip
    with clock("write"):  # what is left of its main
        command.main()
    return {"stages_s": clock.in_order()}


def warm(scan: str, output: str, options: dict[str, Any]) -> dict[str, Any]:
    clock = Clock()
    command = imported(clock, options["threads"], options["cpu"])
    import SimpleITK as sitk

    inferer = command.LMInferer(
        modelname="R231", modelpath=options["weights"], batch_size=options["batch"],
        tqdm_disable=True,
    )  # fmt: skip
    calls = []
    for _ in range(options["calls"]):
        clock.restart()
        began = time.perf_counter()
        image = command.utils.load_input_image(scan, disable_tqdm=True, read_metadata=True)
        labels = inferer.apply(image)
        with clock("write"):
            mask = sitk.GetImageFromArray(labels)
            mask.CopyInformation(image)
            sitk.WriteImage(mask, output)
        calls.append({"seconds": time.perf_counter() - began, "stages_s": clock.in_order()})
    return {"calls": calls}


def probe() -> dict[str, str]:
    import lungmask
    import lungmask.resunet  # noqa: F401

    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name.lower()] = version(name)
        except PackageNotFoundError:  # a source tree on the path
            found[name.lower()] = "unknown"
    return found


def random_weights(file: str) -> None:
    """The network as lungmask builds it for R231, just initialised."""
    import torch
    from lungmask.resunet import UNet

    torch.manual_seed(SEED)
    network = UNet(
        n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False
    )
    torch.save(network.state_dict(), file)


def main() -> int:
    mode, *arguments = sys.argv[1:]
    if mode == "weights":
        random_weights(*arguments)
        return 0
    if mode == "probe":
        found: dict[str, Any] = probe()
    else:
        scan, output, options = arguments
        run = {"cold": cold, "warm": warm}[mode]
        found = run(scan, output, json.loads(options))
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
