"""Training checkpoints as safetensors: weights, Adam's moments and the epoch, written by rename."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file by rename, so that a crash leaves the earlier file."""
    temporary = path.with_name(path.name + ".tmp")
    save_file(tensors, temporary, metadata=metadata)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, settings: dict[str, Any]
) -> None:
    """Replace `path` by the state after `epoch` epochs; a crash leaves the earlier one."""
    tensors: dict[str, Tensor] = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{number}.{name}"] = value.contiguous()
    write_tensors(path, tensors, {"epoch": str(epoch), "settings": json.dumps(settings, sort_keys=True)})


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> int:
    """Restore `model` and `optimizer` from `path`; returns the epochs done, 0 where there is nothing to go on from."""
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        if metadata["settings"] != json.dumps(settings, sort_keys=True):
            return 0
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    state = optimizer.state_dict()
    state["state"] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, moment = name.split(".")
            state["state"].setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict(state)
    return int(metadata["epoch"])
