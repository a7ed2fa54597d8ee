"""`torchrun`: several processes train one network (torch DistributedDataParallel).

A step's micro-batches are dealt out to the processes in turn, so that a run with two processes
computes what one process that accumulates the same micro-batches computes. The exception is batch
norm: in training mode each process normalises with the statistics of its own micro-batch, and
the running statistics are those of process 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pleura.errors import UsageError

_TIMEOUT = timedelta(hours=2)  # others wait while process 0 validates


@dataclass(frozen=True)
class Group:
    """This process among all that train together.

    Args:
        rank, world: number of this process, and of all.
        device: where its copy of the network lies.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Process 0 validates, writes and reports."""
        return self.rank == 0

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over processes."""
        if self.world == 1:
            return network
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def exchange(self, network: nn.Module, last: bool) -> AbstractContextManager[object]:
        """Processes exchange gradients after a step's last micro-batch alone."""
        if isinstance(network, DistributedDataParallel) and not last:
            return network.no_sync()
        return nullcontext()

    def agreed(self, value: float) -> float:
        """Process 0's value, in every process."""
        if self.world == 1:
            return value
        box = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(box, src=0)
        return float(box)

    def mean(self, value: float) -> float:
        """The mean over processes."""
        if self.world == 1:
            return value
        box = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.all_reduce(box)
        return float(box) / self.world


@contextmanager
def group(accumulate: int) -> Iterator[Group]:
    """The group that torchrun's environment names; without it, one process.

    May be nested: a torchrun's processes can join only once, so the outermost one joins and leaves.

    Raises:
        UsageError: micro-batches that can't be dealt evenly to the processes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if world == 1:
        yield Group(0, 1, device)
        return
    if accumulate % world:
        raise UsageError(
            f"accumulate = {accumulate} micro-batches can't be dealt evenly to {world} processes; "
            f"make it a multiple of {world}."
        )
    if distributed.is_initialized():
        yield Group(rank, world, device)
        return
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield Group(rank, world, device)
    finally:
        distributed.destroy_process_group()
