"""Several processes as one: `torchrun` starts them, each takes its share of the views, all see all outputs.

    torchrun --nproc-per-node 2 --no-python embedkit pretrain --out site.safetensors

Outside of `torchrun` there is one process, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """The processes that train together, and which of them this is."""

    rank: int = 0
    count: int = 1

    def gather(self, own: Tensor) -> Tensor:
        """Stack the tensors of all processes along the first axis; a gradient flows to this process's own."""
        if self.count == 1 or own.numel() == 0:
            return own.repeat(self.count, 1)
        parts = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(parts, own.detach().contiguous())
        parts[self.rank] = own
        return torch.cat(parts)

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients of all processes, in place, in every process."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.count == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, total in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))


def training_device() -> torch.device:
    """The GPU of this process, or the CPU where there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def own_rank() -> int:
    """The number of this process among those that `torchrun` started; 0 where it started none."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Meet the other processes that `torchrun` started, over NCCL on GPUs, else over Gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    device = training_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
